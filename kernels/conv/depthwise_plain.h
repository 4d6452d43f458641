// Depthwise convolution as plain loops over elements: every kernel size, stride and dilation. The vector code is
// compared with it.
#pragma once

#include "boxcar/kernels/conv/conv.h"

namespace boxcar::kernels::cpu::plain {

void depthwise_forward(Stream& stream, const ConvForwardArgs& args);
void depthwise_backward_input(Stream& stream, const ConvBackwardInputArgs& args);
void depthwise_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args);

}  // namespace boxcar::kernels::cpu::plain
