// Softmax and its logarithm over the channels of each pixel.
#pragma once

#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

enum class SoftmaxKind { kSoftmax, kLogSoftmax };

/// y = exp(x - max) / sum(exp(x - max)), or its logarithm; f32, of one shape, any pixel stride. The order of
/// the sum follows from the number of channels. Throws ShapeError.
struct SoftmaxArgs {
  SoftmaxKind kind = SoftmaxKind::kSoftmax;
  TensorView x{}, y{};
};
void softmax(Stream& stream, const SoftmaxArgs& args);

/// dx = y * (dy - sum(dy * y)); of the logarithm dx = dy - exp(y) * sum(dy). y is the forward's result.
struct SoftmaxBackwardArgs {
  SoftmaxKind kind = SoftmaxKind::kSoftmax;
  TensorView y{}, dy{}, dx{};
};
void softmax_backward(Stream& stream, const SoftmaxBackwardArgs& args);

}  // namespace boxcar::kernels
