// A convolution of inference, whose norm is folded into weights and bias, with all that follows it.
#pragma once

#include <optional>

#include "boxcar/kernels/conv/conv.h"
#include "boxcar/kernels/norm_act/norm_act.h"

namespace boxcar::kernels {

/// y = act(conv(x, w) + bias) + residual.
struct ConvActArgs {
  TensorView x, w;              // as conv_forward() takes them
  const float* bias = nullptr;  // [O]
  Shape y;                      // conv_output_shape()
  ConvOptions options;
  Act act;
  std::optional<TensorView> residual = {};  // as y, of x's type, pixel stride >= O
  Destinations to;                          // of x's type, as of norm_act_forward()
  ConvWeightCache* cache = nullptr;         // of w and bias
  std::optional<TensorView> rounded = {};   // as conv_forward() takes them
};

/// In one pass where the CPU's own kernels take the convolution (f32: 1x1, 3x3 and depthwise ones and those of few
/// channels, nearly all of a model's; bf16: 3x3 ones of stride 1); else conv_forward(), and norm_act_forward() for what
/// that leaves to do.
void conv_act_forward(Stream& stream, const ConvActArgs& args);
OpCost cost_of(const ConvActArgs& args);
/// Throws ShapeError, naming the op, where shapes or types of y, its destinations and the residual do not fit.
void check_conv_act(const char* op, const ConvActArgs& args);

/// ConvWeightCache::identity: ones, then zeros [1,1,2,channels], the norm that changes nothing. Who records calls for
/// a GPU puts it into the cache before.
Tensor identity_norm(Stream& stream, int channels);

}  // namespace boxcar::kernels
