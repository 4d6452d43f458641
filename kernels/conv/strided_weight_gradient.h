// Weight gradients of dense convolutions with a stride, in f32: what oneDNN is slow at. On 64 -> 64 channels, 3x3,
// stride 2, 160 pixels it reaches a third of the machine's matrix product, as rows of the input lie 40 KB apart.
#pragma once

#include "boxcar/kernels/conv/conv.h"

namespace boxcar::kernels::cpu {

/// Whether strided_weight_gradient() computes this, and faster than the library: f32, a stride, no groups, no bias,
/// a multiple of 64 input channels.
bool suits_strided_weight_gradient(const ConvBackwardWeightArgs& args);

/// dw, written or added to. Sums are in parts that follow from the shape: threads change no bit.
void strided_weight_gradient(Stream& stream, const ConvBackwardWeightArgs& args);

}  // namespace boxcar::kernels::cpu
