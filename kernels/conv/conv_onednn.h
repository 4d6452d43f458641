// Dense and grouped convolution on oneDNN.
#pragma once

#include "boxcar/kernels/conv/conv.h"

namespace boxcar::kernels::cpu {

void conv_forward(Stream& stream, const ConvForwardArgs& args);
void conv_backward_input(Stream& stream, const ConvBackwardInputArgs& args);
void conv_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args);
std::vector<std::string> conv_implementations(Stream& stream);

}  // namespace boxcar::kernels::cpu
