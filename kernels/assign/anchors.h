// The anchor points of a detection head: one a cell, level by level, finest first, row by row.
#pragma once

#include <cstdint>

#include "boxcar/kernels/common/small_vector.h"

namespace boxcar::kernels {

inline constexpr int kMaxLevels = 8;

/// One level's grid of h x w cells of `stride` pixels; its anchors are first, first + 1, ...
struct AnchorLevel {
  int h = 0, w = 0;
  float stride = 0.0f;
  std::int64_t first = 0;
  std::int64_t cells() const { return std::int64_t{h} * w; }
};

/// Centre of a cell, in cells of its level; pixels = (x, y) * stride.
struct AnchorPoint {
  float x = 0.0f, y = 0.0f, stride = 0.0f;
  int level = 0;
  std::int64_t cell = 0;  // row-major index within the level
};

class AnchorGrid {
 public:
  /// Appends a level. Throws ShapeError for an empty grid or a stride that is not positive.
  void add_level(int h, int w, float stride);

  const SmallVector<AnchorLevel, kMaxLevels>& levels() const { return levels_; }
  /// Number of anchors over all levels.
  std::int64_t count() const { return count_; }
  AnchorPoint point(std::int64_t anchor) const;
  /// Network input in pixels, as the finest level covers it.
  float image_width() const { return float(levels_[0].w) * levels_[0].stride; }
  float image_height() const { return float(levels_[0].h) * levels_[0].stride; }
  /// Sides of small boxes are widened to this when candidates are looked for: the second level's stride.
  float min_side() const { return levels_[levels_.size() > 1 ? 1 : 0].stride; }

 private:
  SmallVector<AnchorLevel, kMaxLevels> levels_;
  std::int64_t count_ = 0;
};

}  // namespace boxcar::kernels
