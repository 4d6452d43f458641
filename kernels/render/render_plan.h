// What one training or validation picture is made of: plain data that a kernel can read.
//
// A picture's canvas is covered by tiles, each a rectangle of a source image. The canvas is never
// made: the output pixel (x, y) looks its four bilinear neighbours up in the images that own those
// canvas pixels. Up to three such pictures (the sample, its mixup and its cutmix partner) are
// joined, then colours shift, then the result is mirrored.
#pragma once

#include <cstdint>
#include <type_traits>

namespace boxcar::kernels {

/// A packed image, rows of blue-green-red bytes; memory owned by somebody else, on the device that renders.
struct SourceImage {
  const std::uint8_t* pixels = nullptr;
  int height = 0, width = 0;
};

/// Canvas pixels x1 <= x < x2, y1 <= y < y2 show pixel (x - dx, y - dy) of image number `source`.
struct Tile {
  int source = 0;
  int x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  int dx = 0, dy = 0;
};

inline constexpr int kMaxTiles = 9;

/// A canvas and how the output looks at it. Later tiles cover earlier ones; canvas pixels without a
/// tile, inside and outside, have the fill value.
struct Picture {
  int tile_count = 0;
  Tile tiles[kMaxTiles] = {};
  /// Row-major 3x3: output pixel (x, y, 1) to canvas pixel; integers are pixel centres.
  float inverse[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  bool perspective = false;  // divide by the third coordinate; otherwise the last row is not read
};

/// Steps in this order: sample, mixup, cutmix, HSV, flips, channel order.
struct RenderPlan {
  int width = 0, height = 0;  // of the output
  std::uint8_t fill = 114;    // in all channels
  Picture picture;

  bool mixup = false;
  double mixup_ratio = 1;  // pixel = trunc(ratio * picture + (1 - ratio) * mixup_picture)
  Picture mixup_picture;

  bool cutmix = false;  // pixels inside the rectangle come from cutmix_picture
  int cut_x1 = 0, cut_y1 = 0, cut_x2 = 0, cut_y2 = 0;
  Picture cutmix_picture;

  bool hsv = false;  // replace 8-bit hue (0..179), saturation and value by these tables
  std::uint8_t hue[256] = {}, saturation[256] = {}, value[256] = {};

  bool flip_vertical = false, flip_horizontal = false;  // up-down, left-right
  bool bgr = false;                                     // keep the sources' order instead of RGB
};
static_assert(std::is_trivially_copyable_v<RenderPlan>);

}  // namespace boxcar::kernels
