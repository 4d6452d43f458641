// Dense and grouped convolution on CUDA: plans of a vendor's library (conv_plans.h), and kernels of our own, which are
// matrix products of patches, and direct ones for images of few channels.
#pragma once

#include "boxcar/kernels/conv/conv.h"

namespace boxcar::kernels::cuda {

void conv_forward(Stream& stream, const ConvForwardArgs& args);
void conv_backward_input(Stream& stream, const ConvBackwardInputArgs& args);
void conv_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args);

/// Our own kernels.
void own_conv_forward(Stream& stream, const ConvForwardArgs& args);
void own_conv_backward_input(Stream& stream, const ConvBackwardInputArgs& args);
/// dw alone.
void own_conv_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args);
/// dbias alone.
void backward_bias(Stream& stream, const ConvBackwardWeightArgs& args);

/// Whether the direct kernels below take a convolution: three input channels, as images have, and a small filter.
inline bool is_stem(int in_channels, const ConvOptions& options) {
  return in_channels == 3 && options.groups == 1 && options.kernel <= 7;
}
void stem_forward(Stream& stream, const ConvForwardArgs& args);
/// dw alone.
void stem_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args);

/// The weights themselves where they are f32, else as f32: kernels round them to the activations' type.
Tensor weights_as_f32(Stream& stream, const TensorView& w);

/// dw[i] = the sum over parts of partial[part][i], in an order that follows from their number; added to what is there
/// with kAdd.
void sum_parts(Stream& stream, const float* partial, int parts, const TensorView& dw, GradMode mode);

}  // namespace boxcar::kernels::cuda
