// Formulas of task-aligned assignment (Feng et al.: "TOOD", 2021), for both backends.
#pragma once

#include <math.h>

#include "boxcar/kernels/assign/anchors.h"
#include "boxcar/kernels/common/host_device.h"
#include "boxcar/kernels/loss/iou_math.h"

namespace boxcar::kernels {

inline constexpr float kAssignEps = 1e-9f;

/// One object of an image. Rows keep their place even when they are not valid: gt indices count all of them.
struct GroundTruth {
  BoxF box;  // corners in pixels of the network input, not clipped
  int label = 0;
  /// A box so far left or above that its corners' sum is not positive takes no part; nor does a row of zeros.
  BOXCAR_HD bool valid() const { return box.x1 + box.y1 + box.x2 + box.y2 > 0.0f; }
};

/// What the model says at an anchor: box in pixels and the probability of the class asked for.
struct AnchorPrediction {
  BoxF box;
  float probability = 0.0f;
};

/// A ground truth with each side shorter than min_side widened to it about the centre: the region where
/// anchors of a small object are looked for.
template <class T>
BOXCAR_HD BoxOf<T> widened(const BoxOf<T>& box, T min_side) {
  const T cx = (box.x1 + box.x2) / T(2), cy = (box.y1 + box.y2) / T(2);
  const T w = box.x2 - box.x1, h = box.y2 - box.y1;
  const T half_w = (w < min_side ? min_side : w) / T(2), half_h = (h < min_side ? min_side : h) / T(2);
  return {cx - half_w, cy - half_h, cx + half_w, cy + half_h};
}

/// Whether a point lies inside by more than 1e-9 on all four sides.
template <class T>
BOXCAR_HD bool inside(const BoxOf<T>& box, T x, T y) {
  return x - box.x1 > T(kAssignEps) && y - box.y1 > T(kAssignEps) && box.x2 - x > T(kAssignEps) &&
         box.y2 - y > T(kAssignEps);
}

struct CellRange {
  int begin = 0, end = 0;
};

/// The cells of an axis whose centre may lie between low and high; the exact test comes after. Saturates, so that
/// absurd coordinates are harmless.
BOXCAR_HD CellRange cell_range(float low, float high, float stride, int cells) {
  const double first = floor(double{low} / stride - 0.5) - 1, last = ceil(double{high} / stride - 0.5) + 2;
  if (!(first < last)) return {0, 0};  // also NaN
  const auto clamped = [&](double v) { return static_cast<int>(v < 0.0 ? 0.0 : (v > cells ? cells : v)); };
  return {clamped(first), clamped(last)};
}

/// How well a prediction overlaps a ground truth: CIoU, at least 0. NaN stays.
template <class T>
BOXCAR_HD T assign_overlap(const BoxOf<T>& truth, const BoxOf<T>& predicted) {
  const T o = iou(IouKind::kCiou, truth, predicted);
  return o < T(0) ? T(0) : o;
}

/// probability^0.5 * overlap^6.
template <class T>
BOXCAR_HD T alignment(T probability, T overlap) {
  const T cube = overlap * overlap * overlap;
  return sqrt(probability) * cube * cube;
}

/// How well a prediction suits a ground truth, and how well it overlaps it.
struct Alignment {
  float metric = 0.0f, overlap = 0.0f;
};
BOXCAR_HD Alignment alignment_of(const GroundTruth& truth, const AnchorPrediction& p) {
  const float overlap = assign_overlap(truth.box, p.box);
  return {alignment(p.probability, overlap), overlap};
}

/// NaN ranks above all numbers: a prediction that is not a number shall reach the loss, not hide from it.
BOXCAR_HD bool ranks_above(float a, float b) { return a != a ? b == b : a > b; }

/// The soft target score: the metric scaled so that a ground truth's best anchor gets its best overlap.
BOXCAR_HD float target_score(float metric, float top_metric, float top_overlap) {
  return metric * top_overlap / (top_metric + kAssignEps);
}

/// Distances in cells from an anchor's point to the left, top, right and bottom of a box in pixels.
BOXCAR_HD BoxF target_sides(const AnchorPoint& p, const BoxF& b) {
  const float s = p.stride;
  return {p.x - b.x1 / s, p.y - b.y1 / s, b.x2 / s - p.x, b.y2 / s - p.y};
}

/// An integer of a table of floats in [0, count), or -1.
BOXCAR_HD int integer_below(float value, int count) {
  if (!(value >= 0.0f) || !(value < float(count)) || value != float(static_cast<int>(value))) return -1;
  return static_cast<int>(value);
}

/// Corners in pixels of an input of width x height from centre, width, height as fractions of it.
BOXCAR_HD BoxF corners_from_fractions(const float* xywh, float width, float height) {
  const float cx = xywh[0] * width, cy = xywh[1] * height, w = xywh[2] * width, h = xywh[3] * height;
  return {cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2};
}

}  // namespace boxcar::kernels
