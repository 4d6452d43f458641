#include "boxcar/data/augment/boxes.h"

#include <algorithm>

namespace boxcar {

PixelBox to_pixels(const BoxLabel& label, float width, float height, float dx, float dy) {
  const float half_w = label.w / 2, half_h = label.h / 2;
  return {label.cls, width * (label.xc - half_w) + dx, height * (label.yc - half_h) + dy,
          width * (label.xc + half_w) + dx, height * (label.yc + half_h) + dy};
}

BoxLabel to_label(const PixelBox& box, float width, float height) {
  return {box.cls, (box.x1 + box.x2) / 2 / width, (box.y1 + box.y2) / 2 / height, box.width() / width,
          box.height() / height};
}

PixelBox clipped(const PixelBox& box, float width, float height) {
  return {box.cls, std::clamp(box.x1, 0.0f, width), std::clamp(box.y1, 0.0f, height), std::clamp(box.x2, 0.0f, width),
          std::clamp(box.y2, 0.0f, height)};
}

PixelBox flipped_horizontally(const PixelBox& box, float width) {
  return {box.cls, width - box.x2, box.y1, width - box.x1, box.y2};
}
PixelBox flipped_vertically(const PixelBox& box, float height) {
  return {box.cls, box.x1, height - box.y2, box.x2, height - box.y1};
}

PixelBox mapped(const PixelBox& box, const Matrix3& m, bool perspective) {
  const std::array<float, 2> corners[4] = {{box.x1, box.y1}, {box.x2, box.y2}, {box.x1, box.y2}, {box.x2, box.y1}};
  PixelBox out{box.cls};
  bool first = true;
  for (const auto& [x, y] : corners) {
    const float w = perspective ? m[6] * x + m[7] * y + m[8] : 1.0f;
    const float px = (m[0] * x + m[1] * y + m[2]) / w, py = (m[3] * x + m[4] * y + m[5]) / w;
    out.x1 = first ? px : std::min(out.x1, px);
    out.y1 = first ? py : std::min(out.y1, py);
    out.x2 = first ? px : std::max(out.x2, px);
    out.y2 = first ? py : std::max(out.y2, py);
    first = false;
  }
  return out;
}

bool keep_box(const PixelBox& before, const PixelBox& after, float area_threshold) {
  constexpr float kSmallest = 2, kNarrowest = 100, kTiny = 1e-16f;
  const float w = after.width(), h = after.height();
  const float ratio = std::max(w / (h + kTiny), h / (w + kTiny));
  return w > kSmallest && h > kSmallest && w * h / (before.area() + kTiny) > area_threshold && ratio < kNarrowest;
}

float share_inside(const PixelBox& box, float x1, float y1, float x2, float y2) {
  constexpr float kTiny = 1e-7f;
  const float w = std::max(std::min(box.x2, x2) - std::max(box.x1, x1), 0.0f);
  const float h = std::max(std::min(box.y2, y2) - std::max(box.y1, y1), 0.0f);
  return w * h / (box.area() + kTiny);
}

}  // namespace boxcar
