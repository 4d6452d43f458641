// Overlap of boxes, as matching and the confusion matrix measure it.
#pragma once

#include <algorithm>

namespace boxcar {

/// Keeps 0/0 of empty boxes away.
inline constexpr float kIouEpsilon = 1e-7f;

/// inter / (a + b - inter + 1e-7) in float32, of anything with corners x1, y1, x2, y2.
template <class A, class B>
float box_iou(const A& a, const B& b) {
  const float w = std::max(0.0f, std::min(a.x2, b.x2) - std::max(a.x1, b.x1));
  const float h = std::max(0.0f, std::min(a.y2, b.y2) - std::max(a.y1, b.y1));
  const float inter = w * h;
  const float areas = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1);
  return inter / (areas - inter + kIouEpsilon);
}

}  // namespace boxcar
