// 1x1 convolutions of two maps side by side (a concat), one of which is smaller and enlarged before (nearest
// neighbour), as the necks of detectors have them.
//
// A pixel of the result depends on one pixel of each map, so the smaller map's share of the sum is made at its own
// size and enlarged instead: for a factor of 2, a quarter of the products, and neither the enlarged map nor the concat
// is ever made. In the backward pass likewise: dz is summed over squares before it is multiplied.
#pragma once

#include <span>

#include "boxcar/kernels/conv/conv_act.h"
#include "boxcar/kernels/conv/conv_norm_act_backward.h"

namespace boxcar::kernels {

/// The smaller map and its weights. The larger map's are x and w of the ops' other arguments; there both weights may be
/// channels of one tensor.
struct SmallerMap {
  TensorView x;  // [N,h,w,C'], any pixel stride; the result has f*h x f*w pixels
  TensorView w;  // [O,1,1,C'], any pixel stride
};

/// Whether the ops below take such convolutions: kernel 1, stride 1, no padding, multiples of 16 channels in each map
/// and in the result, and identity, SiLU or ReLU as activation.
bool suits_enlarged_conv(const ConvOptions& options, Act act, std::span<const int> in_channels, int out_channels);
/// Whether they run on this stream: in f32 on the CPU. Not in a dry run, which counts a GPU's work.
bool runs_enlarged_conv(const Stream& stream, DType dtype);

/// y = conv(x, w) + enlarged(conv(smaller.x, smaller.w)), with statistics where they are wanted. No bias, activation or
/// cache; w and y any pixel stride (y packed for statistics).
struct EnlargedConvForwardArgs {
  ConvForwardArgs conv;
  SmallerMap smaller;
};
/// Throws ShapeError where sides do not fit or suits_enlarged_conv() is false. So do the others.
void enlarged_conv_forward(Stream& stream, const EnlargedConvForwardArgs& args);
OpCost cost_of(const EnlargedConvForwardArgs& args);

/// y = act(conv(x, w) + enlarged(conv(smaller.x, smaller.w)) + bias) + residual. Destinations begin and end at
/// multiples of 16 channels.
struct EnlargedConvActArgs {
  ConvActArgs conv;
  SmallerMap smaller;
  ConvWeightCache* smaller_cache = nullptr;  // of smaller.w
};
void enlarged_conv_act_forward(Stream& stream, const EnlargedConvActArgs& args);
OpCost cost_of(const EnlargedConvActArgs& args);

/// Of y = act(norm(z)), z as of enlarged_conv_forward().
struct EnlargedConvBackwardArgs {
  ConvNormActBackwardArgs conv;  // w and dw of any pixel stride
  SmallerMap smaller;
  std::optional<TensorView> smaller_dx = {};  // as smaller.x, packed, written; none: not wanted
  std::optional<TensorView> smaller_dw = {};  // as smaller.w, any pixel stride, by conv.mode; none: not wanted
};
void enlarged_conv_norm_act_backward(Stream& stream, const EnlargedConvBackwardArgs& args);
OpCost cost_of(const EnlargedConvBackwardArgs& args);

}  // namespace boxcar::kernels
