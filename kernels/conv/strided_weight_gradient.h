// Weight gradients of dense convolutions with a stride, in f32: what oneDNN is slow at. On 64 -> 64 channels, 3x3,
// stride 2, 160 pixels it reaches a third to a half of the machine's matrix product, depending on where the buffers
// lie.
#pragma once

#include "boxcar/kernels/conv/conv.h"

namespace boxcar::kernels::cpu {

/// Whether strided_weight_gradient() takes this: f32, a stride, no groups, no bias, a multiple of 64 input channels,
/// for which it was measured to be faster than the library (64 channels) or as fast (128).
bool suits_strided_weight_gradient(const ConvBackwardWeightArgs& args);

/// dw, written or added to. Sums are in parts that follow from the shape: threads change no bit.
void strided_weight_gradient(Stream& stream, const ConvBackwardWeightArgs& args);

}  // namespace boxcar::kernels::cpu
