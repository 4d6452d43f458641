// Resampling a batch of pictures to another size, as multi-scale training does.
#pragma once

#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// Bilinear, half-pixel centres (coordinate (i + 0.5) * in / out - 0.5, cut to the picture), no
/// antialiasing. No gradient: it is applied to input pictures only.
struct RescaleArgs {
  TensorView x;  // [N,h,w,C], pixel stride >= C, f32 or bf16
  TensorView y;  // [N,H,W,C], same type, written; may not overlap x
};
/// Throws ShapeError if batch, channels or types differ or a side is 0.
void rescale_bilinear(Stream& stream, const RescaleArgs& args);

}  // namespace boxcar::kernels
