// What both backends of optim.h decide alike.
#pragma once

#include <math.h>

#include "boxcar/kernels/common/host_device.h"
#include "boxcar/kernels/optim/optim.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::kernels {

/// The result of gradient_norm from the sum of all squares.
BOXCAR_HD GradientNorm norm_of_squares(double total, const StepCoefficients& c) {
  GradientNorm result;
  result.norm = sqrt(total) / c.loss_scale;
  double clip = c.max_norm == 0.0 ? 1.0 : c.max_norm / (result.norm + 1e-6);
  if (clip > 1.0) clip = 1.0;  // NaN stays
  result.factor = static_cast<float>(clip / c.loss_scale);
  result.finite = total - total == 0.0;
  return result;
}

BOXCAR_HD bool is_skipped(const StepCoefficients& c, const GradientNorm* norm) {
  return c.skip_not_finite != 0 && norm && norm->finite == 0;
}

/// Calls f(Rule{}). Throws ArgumentError for a kind that is none.
template <class F>
void with_rule(OptimKind kind, F&& f) {
  switch (kind) {
    case OptimKind::kSgd:
      return f(SgdRule{});
    case OptimKind::kAdam:
    case OptimKind::kAdamW:
      return f(AdamRule{});
    case OptimKind::kAdamax:
      return f(AdamaxRule{});
    case OptimKind::kNAdam:
      return f(NAdamRule{});
    case OptimKind::kRAdam:
      return f(RAdamRule{});
    case OptimKind::kRmsProp:
      return f(RmsPropRule{});
  }
  fail<ArgumentError>("optimizer_step: unknown kind of optimizer {}", static_cast<int>(kind));
}

}  // namespace boxcar::kernels
