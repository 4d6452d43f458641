// Formulas of task-aligned assignment (Feng et al.: "TOOD", 2021), for both backends.
#pragma once

#include <cmath>

#include "boxcar/kernels/common/host_device.h"
#include "boxcar/kernels/loss/iou_math.h"

namespace boxcar::kernels {

inline constexpr float kAssignEps = 1e-9f;

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

}  // namespace boxcar::kernels
