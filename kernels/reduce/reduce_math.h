// How reductions put two values together, for both backends.
#pragma once

#include <math.h>

#include "boxcar/kernels/common/host_device.h"
#include "boxcar/kernels/reduce/reduce.h"

namespace boxcar::kernels {

/// What a reduction of nothing gives.
BOXCAR_HD double identity_of(Reduction reduction) { return reduction == Reduction::kSum ? 0.0 : -HUGE_VAL; }

/// A NaN stays.
BOXCAR_HD double combined(Reduction reduction, double a, double b) {
  if (reduction == Reduction::kSum) return a + b;
  return b > a || b != b ? b : a;
}

}  // namespace boxcar::kernels
