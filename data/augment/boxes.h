// Boxes in pixels, and what augmentation does to them.
#pragma once

#include <array>

#include "boxcar/data/dataset/sample.h"

namespace boxcar {

/// Row-major 3x3, mapping column vectors (x, y, 1).
using Matrix3 = std::array<float, 9>;

/// Left, top, right, bottom in pixels of some picture.
struct PixelBox {
  int cls = 0;
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  float width() const { return x2 - x1; }
  float height() const { return y2 - y1; }
  float area() const { return width() * height(); }
};

/// A label of a width x height image, moved by (dx, dy).
PixelBox to_pixels(const BoxLabel& label, float width, float height, float dx = 0, float dy = 0);
/// As fractions of a width x height picture.
BoxLabel to_label(const PixelBox& box, float width, float height);
/// The part inside [0, width] x [0, height].
PixelBox clipped(const PixelBox& box, float width, float height);
/// Mirrored in a picture of that width (left-right) or height (up-down).
PixelBox flipped_horizontally(const PixelBox& box, float width);
PixelBox flipped_vertically(const PixelBox& box, float height);
/// The bounds of the four corners after `matrix`, divided by the third coordinate if `perspective`.
PixelBox mapped(const PixelBox& box, const Matrix3& matrix, bool perspective);

/// Whether a box is still worth learning after a warp: more than 2 pixels wide and high, more than
/// `area_threshold` of the area it had, and no side 100 times the other. `before` is the box before the
/// warp, already multiplied by the drawn scale, `after` the mapped and clipped one. NaN is not kept.
bool keep_box(const PixelBox& before, const PixelBox& after, float area_threshold);

/// The share of `box` that lies inside the rectangle; 0 for an empty box.
float share_inside(const PixelBox& box, float x1, float y1, float x2, float y2);

}  // namespace boxcar
