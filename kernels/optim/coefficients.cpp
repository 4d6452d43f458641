#include "boxcar/kernels/optim/coefficients.h"

#include <cmath>

namespace boxcar::kernels {
namespace {

double beta2_of(OptimKind kind) { return kind == OptimKind::kRmsProp ? kRmsSmoothing : kBeta2; }

/// RAdam: sqrt(1 - b2^t) times the rectification, or 0 while the variance is not tractable.
double rectification(std::int64_t step) {
  const double power = std::pow(kBeta2, double(step)), limit = 2.0 / (1.0 - kBeta2) - 1.0;
  const double length = limit - 2.0 * double(step) * power / (1.0 - power);
  if (!(length > 5.0)) return 0.0;
  const double ratio = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length);
  return std::sqrt(1.0 - power) * std::sqrt(ratio);
}

}  // namespace

double nadam_mu(double beta1, std::int64_t step) { return beta1 * (1.0 - 0.5 * std::pow(0.96, 0.004 * double(step))); }

UpdateCoefficients update_coefficients(OptimKind kind, const StepSettings& s) {
  UpdateCoefficients c;
  const double correction = 1.0 - std::pow(s.momentum, double(s.step));
  const bool corrected = kind != OptimKind::kSgd && kind != OptimKind::kRmsProp && kind != OptimKind::kNAdam;
  c.step_size = static_cast<float>(corrected ? s.lr / correction : s.lr);
  c.momentum = static_cast<float>(s.momentum);
  c.one_less_momentum = static_cast<float>(1.0 - s.momentum);
  c.beta2 = static_cast<float>(beta2_of(kind));
  c.one_less_beta2 = static_cast<float>(1.0 - beta2_of(kind));
  c.root_correction = static_cast<float>(std::sqrt(1.0 - std::pow(kBeta2, double(s.step))));
  c.eps = static_cast<float>(kOptimEps);
  if (kind == OptimKind::kAdamW) {
    c.shrink = static_cast<float>(1.0 - s.lr * s.weight_decay);
  } else {
    c.decay = static_cast<float>(s.weight_decay);
  }
  if (kind == OptimKind::kRAdam) c.rectify = static_cast<float>(rectification(s.step));
  if (kind == OptimKind::kNAdam) {
    const double next = nadam_mu(s.momentum, s.step + 1);
    c.grad_size = static_cast<float>(s.lr * (1.0 - nadam_mu(s.momentum, s.step)) / (1.0 - s.mu_product));
    c.step_size = static_cast<float>(s.lr * next / (1.0 - s.mu_product * next));
  }
  return c;
}

}  // namespace boxcar::kernels
