// Pictures from plans: mosaic, affine warp, mixup, cutmix, colour shift and flips in one pass over
// the output (docs/design.md, "Augmentation is a plan, then a render").
#pragma once

#include <span>

#include "boxcar/kernels/common/op_cost.h"
#include "boxcar/kernels/render/render_plan.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// Plans, images and their pixels lie in memory of the stream's device: a CUDA device reads plans and images from a
/// table (render_table.h).
struct RenderArgs {
  std::span<const RenderPlan> plans;    // one for each output picture
  std::span<const SourceImage> images;  // what the tiles' `source` numbers count, over all plans
  TensorView out;  // [plans,H,W,3] packed, written; RGB unless a plan says BGR. u8, or f32 or bf16: bytes / 255
};
/// The same bits on every device. One launch on CUDA.
/// Throws ShapeError if the output does not fit the plans, a tile reaches outside its image, or an image has more than
/// 2^31 - 1 bytes; on CUDA, where the host cannot read the plans, write_render_table() does so.
void render(Stream& stream, const RenderArgs& args);
/// The output, and as many pixels of the sources as it has.
inline OpCost cost_of(const RenderArgs& args) { return {bytes_of(args.out) + args.out.count(), 0}; }

}  // namespace boxcar::kernels
