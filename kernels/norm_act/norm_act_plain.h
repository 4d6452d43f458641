// Normalisation and activation on the CPU as plain loops over elements: every activation, every type. The vector code
// is compared with it.
#pragma once

#include "boxcar/kernels/norm_act/norm_act.h"

namespace boxcar::kernels::cpu::plain {

/// As the functions of norm_act.h and batch_statistics.h, on checked arguments that are not empty.
void batch_statistics(Stream& stream, const BatchStatisticsArgs& args);
void norm_act_forward(Stream& stream, const NormActForwardArgs& args);
void norm_act_backward(Stream& stream, const NormActBackwardArgs& args);

}  // namespace boxcar::kernels::cpu::plain
