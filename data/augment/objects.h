// The objects of a training picture in the making, and what augmentation does to them.
#pragma once

#include <span>
#include <vector>

#include "boxcar/data/augment/boxes.h"
#include "boxcar/data/augment/polygons.h"

namespace boxcar {

/// Boxes, and the outline of each where the labels are polygons.
struct PixelObjects {
  std::vector<PixelBox> boxes = {};
  std::vector<Polygon> outlines = {};  // one a box, or none
  bool has_outlines() const { return !outlines.empty(); }
};

/// Adds objects. Should some of them have outlines and others none, no outlines are left.
void append(PixelObjects& objects, PixelObjects others);

/// Labels of a width x height image and their polygons (one a label, or none), moved by (dx, dy).
PixelObjects to_pixels(std::span<const BoxLabel> labels, std::span<const Polygon> polygons, float width, float height,
                       float dx = 0, float dy = 0);
/// What lies inside [0, width] x [0, height]; objects whose box has no area left go.
PixelObjects clipped(PixelObjects objects, float width, float height);
/// Mirrored left-right in a picture of that width.
PixelObjects flipped_horizontally(PixelObjects objects, float width);

/// Objects before a warp to the ones to keep, clipped to width x height: keep_box() decides by the sizes before times
/// `scale`. The new box is the one around the four mapped corners or, which is tighter, around the mapped and clipped
/// outline; then 1% of the area is enough to stay instead of 10%.
PixelObjects warped(const PixelObjects& objects, const Matrix3& matrix, bool perspective, float scale, float width,
                    float height);

}  // namespace boxcar
