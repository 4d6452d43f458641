// Where a mosaic puts its images.
#pragma once

#include <span>

#include "boxcar/data/image/resize.h"
#include "boxcar/kernels/render/render_plan.h"
#include "boxcar/runtime/random/philox.h"

namespace boxcar {

struct MosaicCentre {
  int x = 0, y = 0;
};
/// Uniform over the middle half of the 2 imgsz canvas; y is drawn first.
MosaicCentre draw_mosaic_centre(int imgsz, Random& random);

/// Tiles of a 2 imgsz x 2 imgsz canvas, image i numbered first_source + i. The four images touch the
/// centre with a corner, in the order top left, top right, bottom left, bottom right.
void place_four(std::span<const ResizedSize> sizes, MosaicCentre centre, int imgsz, int first_source,
                kernels::Picture& picture);

/// The same for nine images: the first in the middle, the others clockwise around it from the top, each
/// against the one before; the middle 2 imgsz x 2 imgsz of a 3 imgsz canvas. Later images cover earlier ones.
void place_nine(std::span<const ResizedSize> sizes, int imgsz, int first_source, kernels::Picture& picture);

}  // namespace boxcar
