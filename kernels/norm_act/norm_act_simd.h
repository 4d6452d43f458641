// Normalisation and activation on the CPU with vector instructions, chosen when the program runs.
//
// A packed tensor is a flat run of floats whose channels repeat every C. Per-channel values are laid out over a period,
// a multiple of both C and 16 floats, so that the loops know neither rows nor channels and few channels cost no lanes.
// Sums are kept for every place of the period, then folded into channels. The order of all sums follows from the shape:
// neither threads nor AVX2 or AVX-512 change a bit. (Older ones have no fused multiply-add and round otherwise.)
#pragma once

#include "boxcar/kernels/norm_act/norm_act.h"

namespace boxcar::kernels::cpu::simd {

/// Whether the activation has vector code: identity, SiLU, ReLU.
bool has_activation(Act act);

/// As the functions of norm_act.h and batch_statistics.h, on checked arguments that are not empty.
void batch_statistics(Stream& stream, const BatchStatisticsArgs& args);
void norm_act_forward(Stream& stream, const NormActForwardArgs& args);
void norm_act_backward(Stream& stream, const NormActBackwardArgs& args);
void sum_pieces(Stream& stream, const SumPiecesArgs& args);

}  // namespace boxcar::kernels::cpu::simd
