// Convolutions as matrix products whose operands lie in images; for .cu files only.
//
// With a row for each output pixel and a k for each (tap, channel), y is a product of the patches of x under the
// filter and the weights. dx is one of patches of dy, and dw one of dy and the patches of x, with k over pixels.
#pragma once

#include <algorithm>
#include <limits>
#include <type_traits>

#include "boxcar/kernels/common/divisor.h"
#include "boxcar/kernels/common/mma_sums.h"
#include "boxcar/kernels/conv/conv.h"

namespace boxcar::kernels::cuda {

/// Of one side: output pixel i and tap j meet image pixel i * stride + first + j * step, if there is one.
struct PatchAxis {
  int size;     // of the image
  int outputs;  // pixels on this side
  int taps;
  int stride, first, step;
};

/// Both sides, and the order in which pixels [n, y, x] and products [tap y, tap x, channel] are counted.
struct PatchShape {
  PatchShape(int images, const PatchAxis& down, const PatchAxis& along, int channels)
      : y(down),
        x(along),
        pixels(checked(std::int64_t{images} * y.outputs * x.outputs)),
        products(checked(std::int64_t{y.taps} * x.taps * channels)),
        by_rows(std::max(1, y.outputs)),
        by_columns(std::max(1, x.outputs)),
        by_channels(std::max(1, channels)),
        by_taps(std::max(1, x.taps)) {}

  PatchAxis y, x;
  int pixels, products;
  Divisor by_rows, by_columns, by_channels, by_taps;

 private:
  // Room for a tile's rows beyond the last.
  static int checked(std::int64_t count) {
    if (count > std::numeric_limits<int>::max() - 1024) {
      fail<ShapeError>("a convolution of {} output pixels or products is too large for one kernel", count);
    }
    return static_cast<int>(count);
  }
};

/// The patches [pixels, products] of an image tensor. kAlong: rows are pixels, k products; else rows are products.
template <class T, int kVectorWidth, bool kAlong>
class PatchOperand {
 public:
  using Element = T;
  static constexpr int kWidth = kVectorWidth;
  static constexpr bool kAlongDepth = kAlong;

  BOXCAR_DEVICE PatchOperand(const PatchShape& shape, Rows<const T> image) : shape_(shape), image_(image) {}

  BOXCAR_DEVICE auto row(int i) const {
    if constexpr (kAlong)
      return pixel(i);
    else
      return product(i);
  }
  BOXCAR_DEVICE auto place(int k) const {
    if constexpr (kAlong)
      return product(k);
    else
      return pixel(k);
  }
  template <class Row, class Place>
  BOXCAR_DEVICE const T* at(const Row& row, const Place& place) const {
    if constexpr (kAlong)
      return address(row, place);
    else
      return address(place, row);
  }

 private:
  static constexpr int kOutside = -(1 << 30);

  struct Pixel {
    int image, y, x;  // where tap 0 would be
  };
  struct Product {
    int y, x, channel;  // from tap 0 on
  };

  BOXCAR_DEVICE Pixel pixel(int i) const {
    if (i >= shape_.pixels) return {0, kOutside, 0};
    int x = i, n = shape_.by_columns.split(x);
    int y = n;
    n = shape_.by_rows.split(y);
    return {n, y * shape_.y.stride + shape_.y.first, x * shape_.x.stride + shape_.x.first};
  }
  BOXCAR_DEVICE Product product(int k) const {
    if (k >= shape_.products) return {kOutside, 0, 0};
    int channel = k, x = shape_.by_channels.split(channel);
    const int y = shape_.by_taps.split(x);
    return {y * shape_.y.step, x * shape_.x.step, channel};
  }
  BOXCAR_DEVICE const T* address(const Pixel& pixel, const Product& product) const {
    const int y = pixel.y + product.y, x = pixel.x + product.x;
    if (y < 0 || y >= shape_.y.size || x < 0 || x >= shape_.x.size) return nullptr;
    return image_.row((std::int64_t{pixel.image} * shape_.y.size + y) * shape_.x.size + x) + product.channel;
  }

  const PatchShape& shape_;
  Rows<const T> image_;
};

/// Of the forward pass and of the weights' gradient: x under the filter.
inline PatchShape patches_of_input(const TensorView& x, const TensorView& y, const ConvOptions& o) {
  const PatchAxis down{x.h, y.h, o.kernel, o.stride, -o.padding, o.dilation};
  const PatchAxis along{x.w, y.w, o.kernel, o.stride, -o.padding, o.dilation};
  return {x.n, down, along, x.c / o.groups};
}

/// The widest vectors of the channels of one group of `t`, of which an access takes 16 bytes at the most.
inline int group_width(const TensorView& t, int groups, int most) {
  int width = most;
  const auto fits = [&] {
    const int bytes = std::min(16, width * static_cast<int>(size_of(t.dtype)));
    return (t.c / groups) % width == 0 && t.ld % width == 0 &&
           reinterpret_cast<std::uintptr_t>(t.data) % static_cast<std::uintptr_t>(bytes) == 0;
  };
  while (!fits()) width /= 2;
  return width;
}

/// What happens to a sum of the forward pass before it is stored.
struct BiasAndAct {
  const float* bias;  // or null
  ActKind act;        // one that conv_can_activate()

  BOXCAR_DEVICE float finished(float sum, int channel) const {
    const float v = bias ? sum + bias[channel] : sum;
    // By name: activate() of a kind that is not known here would carry the code of all kinds.
    if (act == ActKind::kSilu) return silu(v);
    return act == ActKind::kRelu ? activate(Act{ActKind::kRelu}, v) : v;
  }
};

/// Whether pairs of a group's channels can be written at once.
inline bool has_pairs(const TensorView& t, int groups) { return group_width(t, groups, 2) == 2; }

inline unsigned blocks_of(int size, int tile) { return static_cast<unsigned>((std::int64_t{size} + tile - 1) / tile); }

/// How many products at a time suit a type.
template <class T>
inline constexpr int kConvDepth = sizeof(T) == 2 ? 32 : 16;

/// Calls f with tiles for a product of pixels x channels: large ones where there is enough for many blocks.
template <class T, int kWidth, class F>
void with_conv_tile(int pixels, int channels, int groups, F&& f) {
  constexpr int kDepth = kConvDepth<T>;
  constexpr std::int64_t kManyTiles = 64;
  using Small = MatrixTile<32, 32, kDepth, 16, 16>;
  using Narrow = MatrixTile<128, 32, kDepth, 32, 16>;
  using Large = MatrixTile<128, 64, kDepth, 32, 32>;
  // Odd channels are rare: one kernel is enough.
  if constexpr (kWidth >= 4) {
    const std::int64_t down = blocks_of(pixels, 128);
    if (channels <= 32 && down * groups >= kManyTiles) return f(Narrow{});
    if (channels > 32 && down * blocks_of(channels, 64) * groups >= kManyTiles) return f(Large{});
  }
  f(Small{});
}

/// bf16 goes through tensor cores.
template <class T, class Tile>
using ConvSums = std::conditional_t<sizeof(T) == 2, MmaSums<Tile>, FloatSums<Tile>>;

}  // namespace boxcar::kernels::cuda
