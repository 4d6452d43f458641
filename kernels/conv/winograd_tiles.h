// What a convolution by Winograd's filtering is cut into.
#pragma once

#include <algorithm>
#include <cstdint>

#include "boxcar/kernels/common/rows.h"
#include "boxcar/kernels/conv/conv.h"

namespace boxcar::kernels::cpu {

constexpr int kFilterPoints = 36;

/// Squares of pixels of what is convolved (or of the gradients of results), `from`, each of which makes a square of
/// `to`, of which a forward pass needs no more than the shape; in the order of pixels. They begin `from_step` and
/// `to_step` pixels apart, those of `from` `padding` before.
struct WinogradTiles {
  TensorView from, to;
  int padding, from_step, to_step;

  std::int64_t rows() const { return (to.h + to_step - 1) / to_step; }
  std::int64_t columns() const { return (to.w + to_step - 1) / to_step; }
  std::int64_t count() const { return to.n * rows() * columns(); }
};

/// Those of a forward pass.
inline WinogradTiles forward_tiles(const TensorView& x, const TensorView& y, const ConvOptions& options) {
  return {x, y, options.padding, 4 * options.stride, 4};
}

/// A tile's image, and its row and column among tiles.
struct TilePlace {
  int image, row, column;
  TilePlace(const WinogradTiles& tiles, std::int64_t tile)
      : image(static_cast<int>(tile / (tiles.rows() * tiles.columns()))),
        row(static_cast<int>(tile / tiles.columns() % tiles.rows())),
        column(static_cast<int>(tile % tiles.columns())) {}
};

/// Numbers at some points: a matrix [rows, width] each. Planes lie a cache line more than their size apart, lest all of
/// a tile's numbers fall into one set of the caches.
struct PointPlanes {
  float* data = nullptr;
  std::int64_t points = 0, rows = 0, width = 0;

  std::int64_t plane() const { return rows * width + 16; }
  std::int64_t size() const { return points * plane(); }
  float* at(std::int64_t point) const { return data + point * plane(); }
};

/// Filters at the points: matrices [C, O] in panels of up to kPanel results, [panel][C][kPanel], which products read
/// line by line.
struct FilterPanels {
  static constexpr std::int64_t kPanel = 64;
  float* data = nullptr;
  std::int64_t from = 0, to = 0;  // C, O

  std::int64_t plane() const { return from * to + 16; }
  /// Results of the panel that begins with result j.
  std::int64_t width(std::int64_t j) const { return to - j < kPanel ? to - j : kPanel; }
  /// Channel c and result j, the first of a panel, at a point; results of a channel follow it, channels follow each
  /// other width(j) apart.
  float* at(std::int64_t point, std::int64_t c, std::int64_t j) const {
    return data + point * plane() + j * from + c * width(j);
  }
};

/// What is computed at once, at most.
struct WinogradLimits {
  static constexpr std::int64_t kChannels = 128;      // that are multiplied: a point's planes fit the first caches
  static constexpr std::int64_t kFloats = 256 << 10;  // of a thread's planes: half of a second cache of 2 MB
  static constexpr std::int64_t kTiles = 96;
};

/// Tiles whose planes of `width` channels in all stay in a core's second cache.
inline std::int64_t tiles_at_once(std::int64_t points, std::int64_t width) {
  return std::clamp<std::int64_t>(WinogradLimits::kFloats / (points * width) / 12 * 12, 12, WinogradLimits::kTiles);
}

/// Points that are computed at once: all of stride 1, a quarter of stride 2.
inline std::int64_t most_points(int stride) { return stride == 1 ? 36 : 25; }

/// What a thread needs for a block of tiles: numbers of what is convolved, their products with filters, and sums over
/// quarters of the points, [pixels of the results].
struct WinogradPlanes {
  PointPlanes inputs, products, sums;

  std::int64_t size() const { return inputs.size() + products.size() + sums.size(); }
  /// The same in memory of size() floats.
  WinogradPlanes in(float* memory) const {
    WinogradPlanes planes = *this;
    planes.inputs.data = memory;
    planes.products.data = memory + inputs.size();
    planes.sums.data = planes.products.data + products.size();
    return planes;
  }
};

/// A block of a weight gradient: tiles [begin, end), the first channel of both sides, and memory for their numbers at
/// the points and for the sums [filter point][O part][C part].
struct FilterGradBlock {
  std::int64_t begin = 0, end = 0, channel = 0, out_channel = 0;
  PointPlanes inputs, grads, sums;

  std::int64_t size() const { return inputs.size() + grads.size() + sums.size(); }
  /// The same in memory of size() floats.
  FilterGradBlock in(float* memory) const {
    FilterGradBlock block = *this;
    block.inputs.data = memory;
    block.grads.data = memory + inputs.size();
    block.sums.data = block.grads.data + grads.size();
    return block;
  }
};

/// Filters w(c, j) of channel c of what is convolved and channel j of the result: at data + c * from_step + j *
/// to_step, taps tap_step apart; turned by half a circle if `turned`; first rounded to the precision of `type`.
struct WinogradFilters {
  const float* data;
  std::int64_t from_step, to_step, tap_step;
  bool turned;
  DType type;
};

}  // namespace boxcar::kernels::cpu
