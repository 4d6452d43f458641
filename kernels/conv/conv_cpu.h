// Dense and grouped convolution on the CPU: kernels of our own where they are faster, oneDNN for all else.
#pragma once

#include "boxcar/kernels/conv/conv_act.h"

namespace boxcar::kernels::cpu {

/// Whether conv_forward() writes the statistics that are wanted of y.
bool conv_makes_statistics(const ConvForwardArgs& args);
void conv_forward(Stream& stream, const ConvForwardArgs& args);
/// Whether conv_act_forward() below takes them.
bool takes_conv_act(const ConvActArgs& args);
void conv_act_forward(Stream& stream, const ConvActArgs& args);
void conv_backward_input(Stream& stream, const ConvBackwardInputArgs& args);
void conv_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args);

}  // namespace boxcar::kernels::cpu
