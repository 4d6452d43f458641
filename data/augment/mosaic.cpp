#include "boxcar/data/augment/mosaic.h"

#include <algorithm>

namespace boxcar {
namespace {

/// An image whose top left corner lies at (x, y), cut to the canvas.
kernels::Tile tile_at(int source, ResizedSize size, int x, int y, int canvas_side) {
  return {source,
          std::max(x, 0),
          std::max(y, 0),
          std::min(x + size.width, canvas_side),
          std::min(y + size.height, canvas_side),
          x,
          y};
}

}  // namespace

MosaicCentre draw_mosaic_centre(int imgsz, Random& random) {
  const int low = (imgsz + 1) / 2, high = 2 * imgsz - low;
  const int y = static_cast<int>(random.uniform(low, high));
  return {static_cast<int>(random.uniform(low, high)), y};
}

void place_four(std::span<const ResizedSize> sizes, MosaicCentre centre, int imgsz, int first_source,
                kernels::Picture& picture) {
  picture.tile_count = 4;
  for (int i = 0; i < 4; ++i) {
    const bool right = i % 2 == 1, bottom = i >= 2;
    const int x = right ? centre.x : centre.x - sizes[i].width, y = bottom ? centre.y : centre.y - sizes[i].height;
    picture.tiles[i] = tile_at(first_source + i, sizes[i], x, y, 2 * imgsz);
  }
}

void place_nine(std::span<const ResizedSize> sizes, int imgsz, int first_source, kernels::Picture& picture) {
  picture.tile_count = 9;
  const int left = imgsz, top = imgsz;  // the middle image on the full canvas
  const int right = left + sizes[0].width, bottom = top + sizes[0].height;
  const int cut = imgsz / 2;  // from the full canvas to its middle
  for (int i = 0; i < 9; ++i) {
    const auto [h, w] = sizes[i];
    const auto [last_h, last_w] = sizes[std::max(i - 1, 0)];
    int x = left, y = top;
    switch (i) {
      case 1:
        y = top - h;
        break;
      case 2:
        x = left + last_w, y = top - h;
        break;
      case 3:
        x = right;
        break;
      case 4:
        x = right, y = top + last_h;
        break;
      case 5:
        x = right - w, y = bottom;
        break;
      case 6:
        x = right - last_w - w, y = bottom;
        break;
      case 7:
        x = left - w, y = bottom - h;
        break;
      case 8:
        x = left - w, y = bottom - last_h - h;
        break;
      default:
        break;
    }
    picture.tiles[i] = tile_at(first_source + i, sizes[i], x - cut, y - cut, 2 * imgsz);
  }
}

}  // namespace boxcar
