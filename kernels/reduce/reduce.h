// Sums and maxima of f32 tensors over any set of the axes n, h, w, c.
#pragma once

#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

enum class Reduction { kSum, kMax };

/// y = the sum, or the largest value (NaN if there is one), over the axes along which y has size 1. Sums are made in
/// double, in blocks that follow from the shape, and rounded once: the bits do not depend on threads.
/// Throws ShapeError unless y's sizes are x's or 1, and for the maximum of nothing.
struct ReduceArgs {
  Reduction reduction = Reduction::kSum;
  TensorView x{}, y{};
  double scale = 1.0;  // of a sum
};
void reduce(Stream& stream, const ReduceArgs& args);

/// dx = dy handed to the largest values, in equal parts where several are equal. y is reduce()'s result.
struct ReduceMaxBackwardArgs {
  TensorView x{}, y{}, dy{}, dx{};
};
void reduce_max_backward(Stream& stream, const ReduceMaxBackwardArgs& args);

}  // namespace boxcar::kernels
