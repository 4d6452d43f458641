// What a convolution by Winograd's filtering is cut into: tiles of 4x4 pixels of one side, which meet 6x6 of the other.
#pragma once

#include <algorithm>
#include <cstdint>

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/kernels/common/rows.h"

namespace boxcar::kernels::cpu {

constexpr int kTileSide = 4;                  // pixels of y
constexpr int kPatchSide = 6;                 // pixels of x
constexpr int kPoints = kPatchSide * kPatchSide;

/// Tiles of y [N,H,W,O] in the order of its pixels, and the patches of x they meet.
struct WinogradTiles {
  TensorView x, y;
  int padding;

  std::int64_t rows() const { return (y.h + kTileSide - 1) / kTileSide; }
  std::int64_t columns() const { return (y.w + kTileSide - 1) / kTileSide; }
  std::int64_t count() const { return y.n * rows() * columns(); }
};

/// A tile's image and first pixel.
struct TilePlace {
  int image, row, column;
  TilePlace(const WinogradTiles& tiles, std::int64_t tile)
      : image(static_cast<int>(tile / (tiles.rows() * tiles.columns()))),
        row(static_cast<int>(tile / tiles.columns() % tiles.rows()) * kTileSide),
        column(static_cast<int>(tile % tiles.columns()) * kTileSide) {}
};

/// Numbers at the 36 points: a matrix [rows, width] each. Planes lie a cache line more than their size apart, lest all
/// of a tile's 36 numbers fall into one set of the caches.
struct PointPlanes {
  float* data;
  std::int64_t rows, width;

  std::int64_t plane() const { return rows * width + 16; }
  std::int64_t size() const { return kPoints * plane(); }
  float* at(std::int64_t point) const { return data + point * plane(); }
};

/// Filters w(c, j) of channel c of what is convolved and channel j of the result: at data + c * from_step + j * to_step,
/// taps tap_step apart; turned by half a circle if `turned`.
struct WinogradFilters {
  const float* data;
  std::int64_t from_step, to_step, tap_step;
  bool turned;
};

/// What is done to y after the sum.
struct WinogradEpilogue {
  const float* bias = nullptr;
  ActKind act = ActKind::kIdentity;
};

}  // namespace boxcar::kernels::cpu
