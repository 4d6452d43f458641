// Max pooling of one row of pixels, vectors over channels; f32 or bf16. The order of sums is that of the window's
// places: every instruction set gives the same bits.
#pragma once

#include "boxcar/kernels/pool/max_pool.h"

namespace boxcar::kernels::cpu {

/// Row oy of image n of y and of the winners.
void max_pool_forward_row(const MaxPoolForwardArgs& args, int n, int oy);

/// Row iy of image n of dx.
void max_pool_backward_row(const MaxPoolBackwardArgs& args, int n, int iy);

}  // namespace boxcar::kernels::cpu
