// The backward pass of a convolution and the normalisation after it in one.
//
// The gradient dz between the two is as large as the layer's result, and three passes over memory are spent on it: it
// is written once and read twice. Here some rows of it are made at a time and used while they are in the caches.
#pragma once

#include <optional>

#include "boxcar/kernels/conv/conv.h"
#include "boxcar/kernels/norm_act/norm_act.h"

namespace boxcar::kernels {

/// Of y = act(norm(conv(x, w))).
struct ConvNormActBackwardArgs {
  NormActBackwardArgs norm;  // without dz
  TensorView x, w;           // as in the forward pass
  ConvOptions options;
  std::optional<TensorView> dx = {};     // [N,H,W,C] packed, written; none: not wanted
  std::optional<TensorView> dw = {};     // conv_weight_shape, f32; none: not wanted
  GradMode mode = GradMode::kOverwrite;  // of dw
};

/// Whether conv_norm_act_backward() takes them: in f32 on the CPU 1x1 convolutions of stride 1 whose channels are
/// multiples of 16, with identity, SiLU or ReLU after the norm, and of so many pixels that the sum of dw has parts. Not
/// in a dry run, which counts a GPU's work.
bool can_fuse_backward(const Stream& stream, const ConvNormActBackwardArgs& args);

/// As norm_act_backward(), conv_backward_weight() and conv_backward_input(), up to rounding.
void conv_norm_act_backward(Stream& stream, const ConvNormActBackwardArgs& args);
OpCost cost_of(const ConvNormActBackwardArgs& args);

}  // namespace boxcar::kernels
