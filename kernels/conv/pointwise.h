// Dense 1x1 convolutions in f32: products of pixels' rows with the weights, in blocks that stay in the caches together
// with what comes before or after them.
#pragma once

#include <algorithm>

#include "boxcar/kernels/conv/conv_epilogue.h"
#include "boxcar/kernels/conv/conv_norm_act_backward.h"
#include "boxcar/kernels/conv/enlarged_map.h"

namespace boxcar::kernels::cpu {

/// Whether the functions below take a convolution of these sides: f32, kernel 1, stride 1, no padding or groups,
/// multiples of 16 channels on both sides.
bool suits_pointwise(const TensorView& x, const TensorView& y, const ConvOptions& options);

/// Whether pointwise_forward() takes this: the same, without bias and activation, and statistics are wanted. (For y
/// alone the library is as fast.)
bool suits_pointwise_statistics(const ConvForwardArgs& args);
/// y = conv(x, w) and its statistics. `plus`, if there is one, is enlarged to y's size and added.
void pointwise_forward(Stream& stream, const ConvForwardArgs& args, const EnlargedMap* plus = nullptr);
/// The sums to what the epilogue says; of args.y the shape counts, of args neither bias nor activation.
void pointwise_forward(Stream& stream, const ConvForwardArgs& args, const ConvEpilogue& epilogue,
                       const EnlargedMap* plus = nullptr);

/// Whether pointwise_norm_act_backward() takes this: the same, and its sum of dw has parts for several
/// threads, or is not worth them.
bool suits_pointwise_backward(const ConvNormActBackwardArgs& args);
/// `sums`, if there is one, is written: its pixels are the sums of dz over those that they show, when it is enlarged.
void pointwise_norm_act_backward(Stream& stream, const ConvNormActBackwardArgs& args,
                                 const EnlargedMap* sums = nullptr);

/// What follows from dy of y = conv(x, w).
struct PointwiseGrads {
  TensorView x, w;               // any pixel stride
  std::optional<TensorView> dx;  // written; none: not wanted
  std::optional<TensorView> dw;  // any pixel stride; none: not wanted
  GradMode mode;                 // of dw
};
/// dy [N,H,W,O] packed.
void pointwise_backward(Stream& stream, const TensorView& dy, const PointwiseGrads& grads);

/// Rows of `channels` whose product is made at once: they stay in a core's second cache, and weights are worth being
/// fetched for them.
inline std::int64_t pointwise_rows(std::int64_t channels) {
  return std::clamp<std::int64_t>((16 << 10) / channels, 128, 1024);
}

}  // namespace boxcar::kernels::cpu
