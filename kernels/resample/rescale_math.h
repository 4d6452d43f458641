// Bilinear resampling of float pictures with half-pixel centres and no antialiasing.
#pragma once

#include "boxcar/kernels/common/host_device.h"

namespace boxcar::kernels {

/// The two inputs that output position `i` lies between, and the share of the second.
struct LinearTap {
  int first, second;
  float share;
};

/// step = inputs / outputs. Positions before the first centre take the first value.
BOXCAR_HD LinearTap linear_tap(int i, float step, int inputs) {
  const float at = step * (static_cast<float>(i) + 0.5f) - 0.5f;
  if (!(at > 0.0f)) return {0, 0, 0.0f};
  const int whole = static_cast<int>(at);
  const int first = whole < inputs ? whole : inputs - 1;
  return {first, first + 1 < inputs ? first + 1 : first, at - static_cast<float>(first)};
}

BOXCAR_HD float bilinear_float(float p00, float p01, float p10, float p11, float fx, float fy) {
  const float upper = (1.0f - fx) * p00 + fx * p01, lower = (1.0f - fx) * p10 + fx * p11;
  return (1.0f - fy) * upper + fy * lower;
}

}  // namespace boxcar::kernels
