// Copies between tensors of the same shape whose pixels may lie apart.
#pragma once

#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

struct CopyArgs {
  TensorView from, to;  // same shape, any pixel stride; types may differ between f32 and bf16
};
void copy(Stream& stream, const CopyArgs& args);

}  // namespace boxcar::kernels
