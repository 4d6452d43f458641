// The numbers of an optimizer step that do not depend on the parameters.
#pragma once

#include <cstdint>

#include "boxcar/kernels/optim/optim_math.h"

namespace boxcar::kernels {

/// One group's settings at a step.
struct StepSettings {
  double lr = 0.0;
  double momentum = 0.0;  // beta1 of the Adam family
  double weight_decay = 0.0;
  std::int64_t step = 1;    // counted from 1
  double mu_product = 1.0;  // NAdam: product of nadam_mu(momentum, 1..step)
};

inline constexpr double kBeta2 = 0.999, kRmsSmoothing = 0.99, kOptimEps = 1e-8;

/// NAdam's momentum at step t: beta1 * (1 - 0.5 * 0.96^(0.004 t)).
double nadam_mu(double beta1, std::int64_t step);

/// All in double, rounded once.
UpdateCoefficients update_coefficients(OptimKind kind, const StepSettings& settings);

}  // namespace boxcar::kernels
