// Per-element formulas of batch normalisation, for both backends.
#pragma once

#include "boxcar/kernels/activation/activation_math.h"

namespace boxcar::kernels {

/// Mean of `count` values and the sum of squared distances from it.
struct Moments {
  float count = 0, mean = 0, m2 = 0;
};

/// Moments of both sets together; Chan, Golub, LeVeque: "Updating formulae and a pairwise
/// algorithm for computing sample variances" (1979).
BOXCAR_HD Moments merged(Moments a, Moments b) {
  if (a.count == 0) return b;
  const float count = a.count + b.count;
  const float delta = b.mean - a.mean;
  return {count, a.mean + delta * (b.count / count), a.m2 + b.m2 + delta * delta * (a.count * b.count / count)};
}

/// Of `count` values from the sums of their distances from `origin`, and of the squares of these. Few digits are lost
/// where the origin is one of the values: no more than as if the squares were `count` times as large.
BOXCAR_HD Moments moments_around(float origin, float count, float sum, float squares) {
  if (count == 0) return {};
  const float m2 = squares - sum * (sum / count);
  return {count, origin + sum / count, m2 < 0 ? 0.0f : m2};  // rounding may go below 0; NaN stays
}

/// What normalises one channel.
struct ChannelNorm {
  float mean, rstd, gamma, beta;

  BOXCAR_HD float normalized(float z) const { return (z - mean) * rstd; }
  BOXCAR_HD float operator()(float z) const { return normalized(z) * gamma + beta; }
};

/// Sums over the batch that the backward pass needs: of g = dy * act'(norm(z)), and of g * z_hat.
/// They are also dbeta and dgamma.
struct NormSums {
  float g = 0, g_zhat = 0;
};
BOXCAR_HD NormSums merged(NormSums a, NormSums b) { return {a.g + b.g, a.g_zhat + b.g_zhat}; }

/// dz of one element. With batch statistics (Ioffe, Szegedy 2015):
/// gamma * rstd * (g - mean(g) - z_hat * mean(g * z_hat)); with fixed ones gamma * rstd * g.
BOXCAR_HD float norm_grad(const ChannelNorm& norm, float zhat, float g, NormSums means) {
  return norm.gamma * norm.rstd * (g - means.g - zhat * means.g_zhat);
}

}  // namespace boxcar::kernels
