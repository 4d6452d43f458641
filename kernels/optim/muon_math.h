// The elementwise parts of a Muon step, for both backends.
#pragma once

#include "boxcar/kernels/common/host_device.h"
#include "boxcar/kernels/optim/optim_math.h"

namespace boxcar::kernels {

inline constexpr float kMuonWeight = 0.2f;  // of the orthogonalised step against the SGD step's 1
inline constexpr double kNewtonSchulzEps = 1e-7;
inline constexpr int kNewtonSchulzSteps = 5;
inline constexpr float kNewtonSchulzA = 3.4445f, kNewtonSchulzB = -4.7750f, kNewtonSchulzC = 2.0315f;

/// Updates the averaged gradient u and returns the direction that is orthogonalised.
BOXCAR_HD float muon_direction(const UpdateCoefficients& c, float g, float& u) {
  u = c.momentum * u + c.one_less_momentum * g;
  return c.momentum * u + c.one_less_momentum * g;
}

/// p moves along the orthogonalised direction, then as SGD says; b = SGD's momentum buffer.
BOXCAR_HD void muon_apply(const UpdateCoefficients& c, float scale, float direction, float g, float& p, float& b) {
  float unused = 0.0f;
  p -= kMuonWeight * c.step_size * scale * direction;
  SgdRule::apply(c, g, p, b, unused);
}

}  // namespace boxcar::kernels
