// Outlines of objects in pixels, and what augmentation does to them.
#pragma once

#include "boxcar/data/augment/boxes.h"
#include "boxcar/data/dataset/sample.h"
#include "boxcar/data/image/image.h"

namespace boxcar {

/// The outline of an object of a width x height image, moved by (dx, dy).
Polygon to_pixels(const Polygon& fractions, float width, float height, float dx = 0, float dy = 0);
/// Mirrored left-right in a picture of that width.
Polygon flipped_horizontally(Polygon outline, float width);
/// The points after `matrix`, divided by the third coordinate if `perspective`. Empty if a point then lies nowhere
/// (the perspective's pole) or farther away than any picture reaches.
Polygon mapped(Polygon outline, const Matrix3& matrix, bool perspective);

/// The part inside [0, width] x [0, height], empty if there is none. Where it falls apart, the parts hang together by
/// lines along the border (Sutherland, Hodgman: "Reentrant polygon clipping", 1974).
Polygon clipped(Polygon outline, float width, float height);

/// The smallest box around the outline; without area for an empty one.
PixelBox bounds(int cls, const Polygon& outline);

/// Copies the pixels of `from` whose centres lie inside the outline (x + 0.5, y + 0.5; the even-odd rule). Both images
/// have the same size and channels.
void copy_inside(const Polygon& outline, const Image& from, Image& onto);

}  // namespace boxcar
