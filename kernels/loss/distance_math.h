// The box side of a detection head: distances from an anchor point to the four sides of a box, given as
// distributions over reg_max bins (Li et al.: "Generalized focal loss", 2020) or, with reg_max 1, as they are.
// For both backends. T is float; double in tests.
#pragma once

#include <math.h>

#include "boxcar/kernels/common/host_device.h"
#include "boxcar/kernels/loss/iou_math.h"

namespace boxcar::kernels {

inline constexpr int kMaxRegMax = 64;

/// One side's bins after softmax: what the expectation and its gradient need.
template <class T>
struct BinStats {
  T max = T(0);   // largest raw value
  T sum = T(0);   // of exp(raw - max)
  T mean = T(0);  // the expected bin: the distance in cells
};

template <class T>
BOXCAR_HD BinStats<T> bin_stats(const T* raw, int bins) {
  BinStats<T> s;
  s.max = raw[0];
  for (int j = 1; j < bins; ++j) s.max = raw[j] > s.max ? raw[j] : s.max;
  T weighted = T(0);
  for (int j = 0; j < bins; ++j) {
    const T e = exp(raw[j] - s.max);
    s.sum += e;
    weighted += e * T(j);
  }
  s.mean = weighted / s.sum;
  return s;
}

/// Distance of one side in cells. One bin: the raw value, which may be negative.
template <class T>
BOXCAR_HD T side_distance(const T* raw, int bins) {
  return bins == 1 ? raw[0] : bin_stats(raw, bins).mean;
}

/// The box of an anchor point from its distances (left, top, right, bottom).
template <class T>
BOXCAR_HD BoxOf<T> box_from_distances(T ax, T ay, T left, T top, T right, T bottom) {
  return {ax - left, ay - top, ax + right, ay + bottom};
}

enum class BoxFormat { kCentreSize, kCorners };

/// Number `column` of a box written as centre and size, or as corners.
template <class T>
BOXCAR_HD T box_column(const BoxOf<T>& b, BoxFormat format, int column) {
  const bool x = column % 2 == 0;
  const T low = x ? b.x1 : b.y1, high = x ? b.x2 : b.y2;
  if (format == BoxFormat::kCorners) return column < 2 ? low : high;
  return column < 2 ? (low + high) / T(2) : high - low;
}

/// Box in cells from one anchor's 4 * bins raw values.
template <class T>
BOXCAR_HD BoxOf<T> decode_box(T ax, T ay, const T* raw, int bins) {
  return box_from_distances(ax, ay, side_distance(raw, bins), side_distance(raw + bins, bins),
                            side_distance(raw + 2 * bins, bins), side_distance(raw + 3 * bins, bins));
}

/// Distribution focal loss of one side: cross entropy with the two bins around the target, and its gradient.
/// target in cells is clamped to [0, bins - 1 - 0.01]. Writes to grad[j], for every bin and unless it is null,
/// mean_grad * d(expected bin)/d(raw j) + dfl_grad * d(loss)/d(raw j). Returns the loss.
template <class T>
BOXCAR_HD T dfl_with_grad(const T* raw, int bins, T target, T mean_grad, T dfl_grad, T* grad) {
  const BinStats<T> s = bin_stats(raw, bins);
  const T top = T(bins - 1) - T(0.01);
  const T t = target > T(0) ? (target < top ? target : top) : T(0);
  const int l = static_cast<int>(t);
  const T wl = T(l + 1) - t, wr = T(1) - wl;
  const T log_sum = s.max + log(s.sum);
  for (int j = 0; grad && j < bins; ++j) {
    const T p = exp(raw[j] - s.max) / s.sum;
    const T wanted = j == l ? wl : (j == l + 1 ? wr : T(0));
    grad[j] = mean_grad * p * (T(j) - s.mean) + dfl_grad * (p - wanted);
  }
  return wl * (log_sum - raw[l]) + wr * (log_sum - raw[l + 1]);
}

/// |d| with slope 0 at 0.
template <class T>
BOXCAR_HD T sign_of(T d) {
  return d > T(0) ? T(1) : (d < T(0) ? T(-1) : T(0));
}

}  // namespace boxcar::kernels
