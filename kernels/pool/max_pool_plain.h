// Max pooling as plain loops over elements; the vector code is compared with it.
#pragma once

#include "boxcar/kernels/pool/max_pool.h"

namespace boxcar::kernels::cpu::plain {

void max_pool_forward(Stream& stream, const MaxPoolForwardArgs& args);
void max_pool_backward(Stream& stream, const MaxPoolBackwardArgs& args);

}  // namespace boxcar::kernels::cpu::plain
