// The class term over every anchor and class as if all targets were 0: the pass that the loss spends its time in.
#pragma once

#include <cstdint>

#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// Sum over a map of weight[class] * softplus(z), in double by blocks of pixels that follow from the shape. Where
/// `grad` has data it is written: factor * weight[class] * sigmoid(z). weights: nc factors, or null. CPU only.
double background_class_term(Stream& stream, const TensorView& logits, const float* weights, float factor,
                             const TensorView& grad);

}  // namespace boxcar::kernels
