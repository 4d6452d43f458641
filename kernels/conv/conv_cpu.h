// Dense and grouped convolution on the CPU: kernels of our own where they are faster, oneDNN for all else.
#pragma once

#include "boxcar/kernels/conv/conv.h"

namespace boxcar::kernels::cpu {

/// Whether conv_forward() writes the statistics that are wanted of y.
bool conv_makes_statistics(const ConvForwardArgs& args);
void conv_forward(Stream& stream, const ConvForwardArgs& args);
void conv_backward_input(Stream& stream, const ConvBackwardInputArgs& args);
void conv_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args);

}  // namespace boxcar::kernels::cpu
