// The anchor points of a detection head: one a cell, level by level, finest first, row by row.
#pragma once

#include <cstdint>

#include "boxcar/kernels/common/host_device.h"
#include "boxcar/kernels/common/small_vector.h"

namespace boxcar::kernels {

inline constexpr int kMaxLevels = 8;

/// One level's grid of h x w cells of `stride` pixels; its anchors are first, first + 1, ...
struct AnchorLevel {
  int h = 0, w = 0;
  float stride = 0.0f;
  std::int64_t first = 0;
  BOXCAR_HD std::int64_t cells() const { return std::int64_t{h} * w; }
};

/// Centre of a cell, in cells of its level; pixels = (x, y) * stride.
struct AnchorPoint {
  float x = 0.0f, y = 0.0f, stride = 0.0f;
  int level = 0;
  int cell = 0;  // row-major index within the level
};

class AnchorGrid {
 public:
  /// Appends a level. Throws ShapeError for an empty grid, a stride that is not positive, and more than 2^31 - 1
  /// anchors in all.
  void add_level(int h, int w, float stride);

  BOXCAR_HD const SmallVector<AnchorLevel, kMaxLevels>& levels() const { return levels_; }
  /// Number of anchors over all levels.
  BOXCAR_HD std::int64_t count() const { return count_; }
  BOXCAR_HD AnchorPoint point(std::int64_t anchor) const {
    int l = 0;
    while (l + 1 < levels_.size() && anchor >= levels_[l + 1].first) ++l;
    return point(l, static_cast<int>(anchor - levels_[l].first));
  }
  BOXCAR_HD AnchorPoint point(int level, int cell) const {
    const AnchorLevel& l = levels_[level];
    return {float(cell % l.w) + 0.5f, float(cell / l.w) + 0.5f, l.stride, level, cell};
  }
  /// Network input in pixels, as the finest level covers it.
  BOXCAR_HD float image_width() const { return float(levels_[0].w) * levels_[0].stride; }
  BOXCAR_HD float image_height() const { return float(levels_[0].h) * levels_[0].stride; }
  /// Sides of small boxes are widened to this when candidates are looked for: the second level's stride.
  BOXCAR_HD float min_side() const { return levels_[levels_.size() > 1 ? 1 : 0].stride; }

 private:
  SmallVector<AnchorLevel, kMaxLevels> levels_;
  std::int64_t count_ = 0;
};

}  // namespace boxcar::kernels
