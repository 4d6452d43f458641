// EXIF orientation: reading it and turning a picture upright.
#pragma once

#include "boxcar/data/image/bytes.h"
#include "boxcar/data/image/image.h"

namespace boxcar {

/// The orientation (1 to 8) of an EXIF block that starts at its TIFF header ("II" or "MM");
/// 1 where it holds none or is damaged. Never throws: a bad EXIF block spoils no picture.
/// (CIPA DC-008, "Exchangeable image file format", tag 0x0112 of the first directory.)
int exif_orientation(Bytes tiff) noexcept;

/// Whether height and width change places.
constexpr bool swaps_sides(int orientation) { return orientation >= 5 && orientation <= 8; }

/// The picture as it is meant to be seen. Orientations: 1 upright, 2 mirrored left-right,
/// 3 turned by 180 degrees, 4 mirrored up-down, 5 transposed, 6 to be turned clockwise,
/// 7 transposed across the other diagonal, 8 to be turned counter-clockwise.
Image apply_orientation(Image image, int orientation);

}  // namespace boxcar
