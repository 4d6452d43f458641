// Dense 1x1 convolutions in f32: products of pixels' rows with the weights, in blocks that stay in the caches together
// with what comes before or after them.
#pragma once

#include "boxcar/kernels/conv/conv_epilogue.h"
#include "boxcar/kernels/conv/conv_norm_act_backward.h"

namespace boxcar::kernels::cpu {

/// Whether the functions below take a convolution of these sides: f32, kernel 1, stride 1, no padding or groups,
/// multiples of 16 channels on both sides.
bool suits_pointwise(const TensorView& x, const TensorView& y, const ConvOptions& options);

/// Whether pointwise_forward() takes this: the same, without bias and activation, and statistics are wanted. (For y
/// alone the library is as fast.)
bool suits_pointwise_statistics(const ConvForwardArgs& args);
/// y = conv(x, w) and its statistics.
void pointwise_forward(Stream& stream, const ConvForwardArgs& args);
/// The sums to what the epilogue says; of args.y the shape counts, of args neither bias nor activation.
void pointwise_forward(Stream& stream, const ConvForwardArgs& args, const ConvEpilogue& epilogue);
/// Whether pointwise_norm_act_backward() takes this: the same, and its sum of dw has parts for several
/// threads, or is not worth them.
bool suits_pointwise_backward(const ConvNormActBackwardArgs& args);
void pointwise_norm_act_backward(Stream& stream, const ConvNormActBackwardArgs& args);

}  // namespace boxcar::kernels::cpu
