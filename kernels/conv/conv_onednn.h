// Dense and grouped convolution on oneDNN.
#pragma once

#include "boxcar/kernels/conv/conv.h"

namespace boxcar::kernels::cpu {

void onednn_conv_forward(Stream& stream, const ConvForwardArgs& args);
void onednn_conv_backward_input(Stream& stream, const ConvBackwardInputArgs& args);
void onednn_conv_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args);
std::vector<std::string> conv_implementations(Stream& stream);

}  // namespace boxcar::kernels::cpu
