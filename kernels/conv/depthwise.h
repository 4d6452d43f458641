// Depthwise convolution: one filter a channel. Reads x at any pixel stride. Weights have x's type, and shapes fit.
// On the CPU the forward pass writes y at any pixel stride and applies SiLU and ReLU, too.
#pragma once

#include "boxcar/kernels/conv/conv.h"

namespace boxcar::kernels {

inline bool is_depthwise(int in_channels, int out_channels, const ConvOptions& options) {
  return options.groups > 1 && options.groups == in_channels && in_channels == out_channels;
}

}  // namespace boxcar::kernels

namespace boxcar::kernels::cpu {

void depthwise_forward(Stream& stream, const ConvForwardArgs& args);
void depthwise_backward_input(Stream& stream, const ConvBackwardInputArgs& args);
void depthwise_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args);

}  // namespace boxcar::kernels::cpu

#if BOXCAR_WITH_CUDA
namespace boxcar::kernels::cuda {

void depthwise_forward(Stream& stream, const ConvForwardArgs& args);
void depthwise_backward_input(Stream& stream, const ConvBackwardInputArgs& args);
void depthwise_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args);

}  // namespace boxcar::kernels::cuda
#endif
