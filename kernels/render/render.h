// Pictures from plans: mosaic, affine warp, mixup, cutmix, colour shift and flips in one pass over
// the output (docs/design.md, "Augmentation is a plan, then a render").
#pragma once

#include <span>

#include "boxcar/kernels/render/render_plan.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

struct RenderArgs {
  std::span<const RenderPlan> plans;    // one for each output picture
  std::span<const SourceImage> images;  // what the tiles' `source` numbers count, over all plans
  TensorView out;                       // [plans,H,W,3] u8 packed, written; RGB unless a plan says BGR
};
/// Throws ShapeError if the output does not fit the plans, a tile reaches outside its image, or an image has more than
/// 2^31 - 1 bytes.
void render(Stream& stream, const RenderArgs& args);

}  // namespace boxcar::kernels
