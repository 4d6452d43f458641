// Checks that ops on gradient pieces and destinations share.
#pragma once

#include "boxcar/kernels/norm_act/norm_act.h"

namespace boxcar::kernels {

/// Throws ShapeError, naming the op, unless `part` has the pixels and type of `whole` and holds its channels `of`.
void check_range(const char* op, const TensorView& whole, Range of, const TensorView& part);

}  // namespace boxcar::kernels
