// Boxes and their overlap in non-maximum suppression, to the bit the same on both backends.
#pragma once

#include "boxcar/kernels/common/host_device.h"

namespace boxcar::kernels {

inline constexpr int kBoxNumbers = 4;           // of a row of predictions, before the scores
inline constexpr float kClassOffset = 7680.0f;  // pixels; larger than any network input

struct Corners {
  float x1, y1, x2, y2;
};

/// Of the centre x, centre y, width and height at `xywh`.
BOXCAR_HD Corners corners_of(const float* xywh) {
  const float half_w = xywh[2] / 2, half_h = xywh[3] / 2;
  return {xywh[0] - half_w, xywh[1] - half_h, xywh[0] + half_w, xywh[1] + half_h};
}

BOXCAR_HD Corners shifted(const Corners& b, float offset) {
  return {b.x1 + offset, b.y1 + offset, b.x2 + offset, b.y2 + offset};
}

BOXCAR_HD float area_of(const Corners& b) { return rounded_product(b.x2 - b.x1, b.y2 - b.y1); }

/// Whether the IoU of a box with one that is kept is above the limit; 0/0 is not. Comparisons are written out, so that
/// a NaN goes the same way everywhere.
BOXCAR_HD bool suppresses(const Corners& kept, float kept_area, const Corners& b, float area, float limit) {
  const float left = kept.x1 < b.x1 ? b.x1 : kept.x1, right = b.x2 < kept.x2 ? b.x2 : kept.x2;
  const float top = kept.y1 < b.y1 ? b.y1 : kept.y1, bottom = b.y2 < kept.y2 ? b.y2 : kept.y2;
  const float w = right - left, h = bottom - top;
  const float inter = rounded_product(0.0f < w ? w : 0.0f, 0.0f < h ? h : 0.0f);
  return inter / (kept_area + area - inter) > limit;
}

}  // namespace boxcar::kernels
