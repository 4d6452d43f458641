// Weights in the type of the activations, for what does not round them itself.
#pragma once

#include <optional>

#include "boxcar/kernels/common/copy.h"

namespace boxcar::kernels {

/// Which of w and its rounded copy is of the type that is wanted; w if none is.
inline const TensorView& weights_for(DType dtype, const TensorView& w, const std::optional<TensorView>& rounded) {
  return w.dtype != dtype && rounded && rounded->dtype == dtype ? *rounded : w;
}

/// Weights of that type: converted by a launch of its own where none are.
inline Tensor weights_as(Stream& stream, DType dtype, const TensorView& w, const std::optional<TensorView>& rounded) {
  const TensorView& nearest = weights_for(dtype, w, rounded);
  if (nearest.dtype == dtype) return Tensor::wrap(nearest, nullptr);
  const Tensor converted = Tensor::empty(stream, w.shape(), dtype);
  copy(stream, {w, converted});
  return converted;
}

}  // namespace boxcar::kernels
