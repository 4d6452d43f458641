// Weights in the type of the activations, for what does not round them itself.
#pragma once

#include <optional>

#include "boxcar/kernels/common/copy.h"
#include "boxcar/kernels/conv/conv.h"

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

/// weights_as(), on CUDA once for all calls with a cache. A recording puts none there: its work has not been done when
/// the next call comes.
inline Tensor kept_weights(Stream& stream, const ConvForwardArgs& args) {
  const DType dtype = args.x.dtype;
  const bool converts = weights_for(dtype, args.w, args.rounded).dtype != dtype;
  const bool keeps = converts && args.cache && stream.device().is_cuda();
  if (keeps && args.cache->orders) return *static_cast<const Tensor*>(args.cache->orders.get());
  const Tensor weights = weights_as(stream, dtype, args.w, args.rounded);
  if (keeps && !stream.capturing()) args.cache->orders = std::make_shared<Tensor>(weights);
  return weights;
}

}  // namespace boxcar::kernels
