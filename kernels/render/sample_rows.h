// Steps of sampling a picture, each over a row of output pixels, in vectors. They repeat the arithmetic of
// render_math.h operation by operation: the bits are those of one pixel at a time, on every instruction set.
//
// A row in the making holds four bytes a pixel: blue, green, red and one of no meaning.
#pragma once

#include <cstdint>
#include <span>

#include "boxcar/kernels/render/render_plan.h"

namespace boxcar::kernels::cpu {

/// Four neighbours of each output pixel of a row: the byte of the source image where the upper left one
/// starts, and the way to the right and down, in [0, 1).
struct RowPoints {
  std::int32_t* offset;
  float* fx;
  float* fy;
};

/// From output pixel (x, y) on, how many pixels before x = `end` have all their neighbours in the tile. Points
/// are written for these at x, x + 1, ...; beyond them up to 15 more may be overwritten.
int points_in_tile(const Picture& picture, const Tile& tile, const SourceImage& image, int x, int end, int y,
                   const RowPoints& points);

/// From output pixel (x, y) on, how many pixels before x = `end` have no neighbour in any tile.
int points_outside(const Picture& picture, int x, int end, int y);

// `ahead`: how many bytes further in the image the next row will look; that memory is asked for. Four numbers of fx
// and fy are read at once: up to three beyond `count`.

/// `count` pixels at `points`.
void sample_points(const SourceImage& image, const RowPoints& points, std::int64_t ahead, int count, std::uint8_t* out);

/// Between neighbours in one row of an image: `count` pixels of four floats. Left neighbours lie at byte
/// start + offset[i] of the image.
void blend_columns(const std::uint8_t* pixels, std::int64_t start, const std::int32_t* offset, const float* fx,
                   std::int64_t ahead, int count, float* out);

/// upper + fy * (lower - upper), rounded: `count` pixels of four floats to four bytes.
void blend_rows(const float* upper, const float* lower, float fy, int count, std::uint8_t* out);

/// `count` packed pixels as they are.
void copy_pixels(const std::uint8_t* bgr, int count, std::uint8_t* out);

}  // namespace boxcar::kernels::cpu
