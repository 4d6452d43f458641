// Update formulas of the optimizers, element by element, for both backends.
//
// p parameter, g gradient, s0 and s1 state. Everything that depends on the step number only is in the
// coefficients, which are computed in double on the host. A rule has kStates 1 if it leaves s1 alone.
#pragma once

#include <math.h>

#include "boxcar/kernels/common/host_device.h"

namespace boxcar::kernels {

enum class OptimKind { kSgd, kAdam, kAdamW, kAdamax, kNAdam, kRAdam, kRmsProp };

/// One parameter group's numbers for one step.
struct UpdateCoefficients {
  float step_size = 0;  // learning rate, with the first moment's bias correction where there is one
  float grad_size = 0;  // NAdam: weight of the gradient itself
  float momentum = 0;   // momentum or beta1
  float one_less_momentum = 0;
  float beta2 = 0;  // decay of the second moment
  float one_less_beta2 = 0;
  float root_correction = 1;  // sqrt(1 - beta2^t)
  float rectify = 0;          // RAdam: factor of the adaptive step; 0: not yet rectified
  float decay = 0;            // added to the gradient as decay * p
  float shrink = 1;           // AdamW: p *= shrink first
  float eps = 0;
};

/// Moving averages of the gradient and its square. The first as a lerp: m + (1 - b1) (g - m).
BOXCAR_HD void update_moments(const UpdateCoefficients& c, float g, float& m, float& v) {
  m += c.one_less_momentum * (g - m);
  v = c.beta2 * v + c.one_less_beta2 * g * g;
}

/// Stochastic gradient descent with Nesterov momentum; s0 = momentum buffer.
struct SgdRule {
  static constexpr int kStates = 1;
  static BOXCAR_HD void apply(const UpdateCoefficients& c, float g, float& p, float& s0, float&) {
    g += c.decay * p;
    s0 = c.momentum * s0 + g;
    p -= c.step_size * (g + c.momentum * s0);
  }
};

/// Kingma, Ba: "Adam" (2015); with shrink: Loshchilov, Hutter: "Decoupled weight decay" (2019). s0, s1 = moments.
struct AdamRule {
  static constexpr int kStates = 2;
  static BOXCAR_HD void apply(const UpdateCoefficients& c, float g, float& p, float& s0, float& s1) {
    p *= c.shrink;
    g += c.decay * p;
    update_moments(c, g, s0, s1);
    p -= c.step_size * s0 / (sqrtf(s1) / c.root_correction + c.eps);
  }
};

/// Adam with the infinity norm; s1 = the decayed maximum.
struct AdamaxRule {
  static constexpr int kStates = 2;
  static BOXCAR_HD void apply(const UpdateCoefficients& c, float g, float& p, float& s0, float& s1) {
    g += c.decay * p;
    s0 += c.one_less_momentum * (g - s0);
    const float decayed = c.beta2 * s1, now = fabsf(g) + c.eps;
    s1 = decayed > now ? decayed : now;
    p -= c.step_size * s0 / s1;
  }
};

/// Dozat: "Incorporating Nesterov momentum into Adam" (2016).
struct NAdamRule {
  static constexpr int kStates = 2;
  static BOXCAR_HD void apply(const UpdateCoefficients& c, float g, float& p, float& s0, float& s1) {
    g += c.decay * p;
    update_moments(c, g, s0, s1);
    const float root = sqrtf(s1) / c.root_correction + c.eps;
    p -= c.grad_size * g / root + c.step_size * s0 / root;
  }
};

/// Liu et al.: "On the variance of the adaptive learning rate and beyond" (2020).
struct RAdamRule {
  static constexpr int kStates = 2;
  static BOXCAR_HD void apply(const UpdateCoefficients& c, float g, float& p, float& s0, float& s1) {
    g += c.decay * p;
    update_moments(c, g, s0, s1);
    const float adaptive = c.rectify / (sqrtf(s1) + c.eps);
    p -= c.step_size * s0 * (c.rectify > 0.0f ? adaptive : 1.0f);
  }
};

/// Tieleman, Hinton (2012), with momentum; s0 = mean square, s1 = momentum buffer.
struct RmsPropRule {
  static constexpr int kStates = 2;
  static BOXCAR_HD void apply(const UpdateCoefficients& c, float g, float& p, float& s0, float& s1) {
    g += c.decay * p;
    s0 = c.beta2 * s0 + c.one_less_beta2 * g * g;
    s1 = c.momentum * s1 + g / (sqrtf(s0) + c.eps);
    p -= c.step_size * s1;
  }
};

/// a moved towards x by the fraction w, in the form that is exact at w = 0 and at w = 1.
BOXCAR_HD float lerp_towards(float a, float x, float w) {
  return w < 0.5f ? a + w * (x - a) : x - (x - a) * (1.0f - w);
}

}  // namespace boxcar::kernels
