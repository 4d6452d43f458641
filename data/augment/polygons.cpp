#include "boxcar/data/augment/polygons.h"

#include <algorithm>
#include <cmath>

namespace boxcar {
namespace {

/// The part on one side of a line parallel to an axis (0: x, 1: y).
Polygon clipped_to_side(Polygon p, int axis, float limit, bool below) {
  const auto inside = [&](std::size_t i) { return below ? p[i + axis] <= limit : p[i + axis] >= limit; };
  std::size_t lost = 0;
  for (std::size_t i = 0; i < p.size(); i += 2) lost += !inside(i);
  if (lost == 0) return p;
  Polygon part;
  for (std::size_t i = 0; i < p.size(); i += 2) {
    const std::size_t next = i + 2 < p.size() ? i + 2 : 0;
    if (inside(i)) part.insert(part.end(), {p[i], p[i + 1]});
    if (inside(i) == inside(next)) continue;
    const float t = (limit - p[i + axis]) / (p[next + axis] - p[i + axis]);
    const float along = p[i + 1 - axis] + t * (p[next + 1 - axis] - p[i + 1 - axis]);
    if (axis == 0) {
      part.insert(part.end(), {limit, along});
    } else {
      part.insert(part.end(), {along, limit});
    }
  }
  return part;
}

/// Where the horizontal line through y crosses the outline, from left to right: an even number of places.
void find_crossings(const Polygon& p, float y, std::vector<float>& places) {
  places.clear();
  for (std::size_t i = 0; i < p.size(); i += 2) {
    const std::size_t next = i + 2 < p.size() ? i + 2 : 0;
    if ((p[i + 1] <= y) == (p[next + 1] <= y)) continue;
    places.push_back(p[i] + (y - p[i + 1]) / (p[next + 1] - p[i + 1]) * (p[next] - p[i]));
  }
  std::ranges::sort(places);
}

/// The first pixel of a row of `count` whose centre is not before `place`.
int first_pixel(float place, int count) {
  return static_cast<int>(std::clamp(std::ceil(place - 0.5f), 0.0f, static_cast<float>(count)));
}

}  // namespace

Polygon to_pixels(const Polygon& fractions, float width, float height, float dx, float dy) {
  Polygon pixels = fractions;
  for (std::size_t i = 0; i < pixels.size(); i += 2) {
    pixels[i] = width * pixels[i] + dx;
    pixels[i + 1] = height * pixels[i + 1] + dy;
  }
  return pixels;
}

Polygon flipped_horizontally(Polygon outline, float width) {
  for (std::size_t i = 0; i < outline.size(); i += 2) outline[i] = width - outline[i];
  return outline;
}

Polygon mapped(Polygon outline, const Matrix3& m, bool perspective) {
  constexpr float kFarthest = 1e9f;
  for (std::size_t i = 0; i < outline.size(); i += 2) {
    const float x = outline[i], y = outline[i + 1];
    const float w = perspective ? m[6] * x + m[7] * y + m[8] : 1.0f;
    outline[i] = (m[0] * x + m[1] * y + m[2]) / w;
    outline[i + 1] = (m[3] * x + m[4] * y + m[5]) / w;
    if (!(std::abs(outline[i]) < kFarthest && std::abs(outline[i + 1]) < kFarthest)) return {};
  }
  return outline;
}

Polygon clipped(Polygon outline, float width, float height) {
  outline = clipped_to_side(std::move(outline), 0, 0, false);
  outline = clipped_to_side(std::move(outline), 0, width, true);
  outline = clipped_to_side(std::move(outline), 1, 0, false);
  return clipped_to_side(std::move(outline), 1, height, true);
}

PixelBox bounds(int cls, const Polygon& p) {
  if (p.empty()) return {cls};
  PixelBox box{cls, p[0], p[1], p[0], p[1]};
  for (std::size_t i = 2; i < p.size(); i += 2) {
    box.x1 = std::min(box.x1, p[i]), box.x2 = std::max(box.x2, p[i]);
    box.y1 = std::min(box.y1, p[i + 1]), box.y2 = std::max(box.y2, p[i + 1]);
  }
  return box;
}

void copy_inside(const Polygon& outline, const Image& from, Image& onto) {
  const PixelBox box = bounds(0, outline);
  const int last = first_pixel(box.y2, onto.height);
  std::vector<float> places;
  for (int y = first_pixel(box.y1, onto.height); y < last; ++y) {
    find_crossings(outline, static_cast<float>(y) + 0.5f, places);
    for (std::size_t i = 0; i + 1 < places.size(); i += 2) {
      const int begin = first_pixel(places[i], onto.width), end = first_pixel(places[i + 1], onto.width);
      const std::ptrdiff_t at = std::ptrdiff_t{begin} * onto.channels;
      std::copy_n(from.row(y) + at, std::ptrdiff_t{end - begin} * onto.channels, onto.row(y) + at);
    }
  }
}

}  // namespace boxcar
