// From bytes to what a model reads.
#pragma once

#include "boxcar/kernels/common/op_cost.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// y = x / 255, divided in float.
struct ImagesToFloatArgs {
  TensorView x;  // [N,H,W,C] u8 packed
  TensorView y;  // same shape packed, f32 or bf16, written
};
/// Throws ShapeError if shapes or types are others.
void images_to_float(Stream& stream, const ImagesToFloatArgs& args);
inline OpCost cost_of(const ImagesToFloatArgs& args) { return {bytes_of(args.x) + bytes_of(args.y), 0}; }

}  // namespace boxcar::kernels
