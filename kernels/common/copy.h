// Copies between tensors of the same shape whose pixels may lie apart.
#pragma once

#include "boxcar/kernels/common/op_cost.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

struct CopyArgs {
  TensorView from, to;  // same shape, any pixel stride; types may differ between f32 and bf16
};
void copy(Stream& stream, const CopyArgs& args);
inline OpCost cost_of(const CopyArgs& args) { return {bytes_of(args.from) + bytes_of(args.to), 0}; }

}  // namespace boxcar::kernels
