// The rows of a dense assignment, written by both backends.
#pragma once

#include "boxcar/kernels/assign/assign.h"
#include "boxcar/kernels/assign/assign_math.h"
#include "boxcar/kernels/common/host_device.h"

namespace boxcar::kernels {

/// What one anchor of an image was assigned to; background has the image's first truth and the rest 0.
struct AnchorTarget {
  GroundTruth truth{};
  int gt_index = 0;
  float score = 0.0f;
  bool foreground = false;
};

/// AssignResult without target_scores and norm; null: not wanted.
struct DenseRows {
  float *boxes, *weight, *sides;
  std::int32_t* labels;
  std::uint8_t* foreground;
  std::int32_t* gt_index;

  /// Row i, of an anchor at p.
  BOXCAR_HD void put(std::int64_t i, const AnchorPoint& p, const AnchorTarget& target) const {
    if (boxes) put_box(boxes + 4 * i, target.truth.box);
    if (weight) weight[i] = target.score;
    if (sides) put_box(sides + 4 * i, target_sides(p, target.truth.box));
    if (labels) labels[i] = target.truth.label;
    if (foreground) foreground[i] = target.foreground;
    if (gt_index) gt_index[i] = target.gt_index;
  }

 private:
  static BOXCAR_HD void put_box(float* to, const BoxF& b) { to[0] = b.x1, to[1] = b.y1, to[2] = b.x2, to[3] = b.y2; }
};

inline DenseRows dense_rows_of(const AssignResult& r) {
  return {r.target_boxes.as<float>(),      r.weight.as<float>(),
          r.target_ltrb.as<float>(),       r.labels.as<std::int32_t>(),
          r.foreground.as<std::uint8_t>(), r.gt_index.as<std::int32_t>()};
}

}  // namespace boxcar::kernels
