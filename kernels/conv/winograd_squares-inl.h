// Between tensors and numbers at the points of Winograd's filtering. Include it as simd-inl.h.
#if defined(BOXCAR_KERNELS_CONV_WINOGRAD_SQUARES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BOXCAR_KERNELS_CONV_WINOGRAD_SQUARES_INL_H_
#undef BOXCAR_KERNELS_CONV_WINOGRAD_SQUARES_INL_H_
#else
#define BOXCAR_KERNELS_CONV_WINOGRAD_SQUARES_INL_H_
#endif

#include "boxcar/kernels/activation/activation-inl.h"
#include "boxcar/kernels/conv/conv_epilogue.h"
#include "boxcar/kernels/conv/winograd_tiles.h"
#include "boxcar/kernels/conv/winograd_transforms-inl.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {

using cpu::ConvEpilogue;
using cpu::PointPlanes;
using cpu::TilePlace;
using cpu::WinogradTiles;

// A square of pixels of an image, of which some may lie beside it.
template <class T>
struct Square {
  T* first;  // where its first pixel lies, or would
  std::int64_t row_step, ld;
  int row, column, height, width;  // of the first pixel, and of the image

  Square(const TensorView& view, int image, int row_, int column_)
      : row_step(view.w * view.ld), ld(view.ld), row(row_), column(column_), height(view.h), width(view.w) {
    const std::int64_t pixel = (std::int64_t{image} * view.h + row) * view.w + column;
    first = static_cast<T*>(view.data) + pixel * view.ld;
  }
  bool inside(int side) const { return row >= 0 && column >= 0 && row + side <= height && column + side <= width; }
  bool has(int i, int j) const { return row + i >= 0 && row + i < height && column + j >= 0 && column + j < width; }
  T* at(int i, int j) const { return first + i * row_step + j * ld; }
};

// Channels [channel, channel + planes.width) of a square at the points, for one row of the planes.
template <class Points>
void transform_square(const Square<const float>& square, std::int64_t channel, const PointPlanes& planes,
                      std::int64_t row) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const bool inside = square.inside(Points::kFrom);
  for (std::int64_t c = 0; c < planes.width; c += lanes) {
    float* to = planes.data + row * planes.width + c;
    const auto store = [&](int i, int j, hn::Vec<decltype(d)> value)
                           HWY_ATTR { hn::StoreU(value, d, to + (i * Points::kTo + j) * planes.plane()); };
    const auto load = [&](int i, int j) HWY_ATTR { return hn::LoadU(d, square.at(i, j) + channel + c); };
    if (inside) {
      transform<Points>(d, load, store);
    } else {
      transform<Points>(
          d, [&](int i, int j) HWY_ATTR { return square.has(i, j) ? load(i, j) : hn::Zero(d); }, store);
    }
  }
}

// The squares of `from` of tiles [begin, end).
template <class Points>
void transform_from(const WinogradTiles& tiles, std::int64_t begin, std::int64_t end, std::int64_t channel,
                    const PointPlanes& planes) {
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const TilePlace place(tiles, tile);
    const int row = place.row * tiles.from_step - tiles.padding,
              column = place.column * tiles.from_step - tiles.padding;
    transform_square<Points>({tiles.from, place.image, row, column}, channel, planes, tile - begin);
  }
}

// The squares of `to`.
template <class Points>
void transform_to(const WinogradTiles& tiles, std::int64_t begin, std::int64_t end, std::int64_t channel,
                  const PointPlanes& planes) {
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const TilePlace place(tiles, tile);
    transform_square<Points>({tiles.to, place.image, place.row * tiles.to_step, place.column * tiles.to_step}, channel,
                             planes, tile - begin);
  }
}

// Results of a tile from its products, `from` [points] a plane apart, for one vector of channels at c.
template <class Points, ActKind kAct, class D, class Store>
HWY_INLINE void tile_results(D d, const float* from, std::int64_t plane, const float* bias, Store&& store) {
  const auto offset = bias ? hn::LoadU(d, bias) : hn::Zero(d);
  transform<Points>(
      d, [&](int i, int j) HWY_ATTR { return hn::LoadU(d, from + (i * Points::kFrom + j) * plane); },
      [&](int i, int j, hn::Vec<D> value) HWY_ATTR { store(i, j, activated<kAct>(d, hn::Add(value, offset))); });
}

// Results of tiles [begin, end) to one tensor.
template <class Points, ActKind kAct>
void write_tiles(const WinogradTiles& tiles, std::int64_t begin, std::int64_t end, const float* bias,
                 const TensorView& to, const PointPlanes& products) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const TilePlace place(tiles, tile);
    const Square<float> square(to, place.image, place.row * tiles.to_step, place.column * tiles.to_step);
    const bool inside = square.inside(Points::kTo);
    for (std::int64_t c = 0; c < products.width; c += lanes) {
      tile_results<Points, kAct>(d, products.data + (tile - begin) * products.width + c, products.plane(),
                                 bias ? bias + c : nullptr, [&](int i, int j, hn::Vec<decltype(d)> value) HWY_ATTR {
                                   if (!inside && !square.has(i, j)) return;
                                   float* pixel = square.at(i, j) + c;
                                   fetch_to_write(pixel + tiles.to_step * square.ld);  // of the next tile
                                   hn::StoreU(value, d, pixel);
                                 });
    }
  }
}

// Where a square's first pixel goes.
struct Corner {
  float* data = nullptr;
  std::int64_t row_step = 0, ld = 0;
};
using Corners = SmallVector<Corner, Destinations::capacity()>;

// Those of a square whose first channel is c.
inline Corners corners_of(const Destinations& all, std::int64_t c, int image, int row, int column) {
  Corners corners;
  for (const Destination& d : all) {
    if (c < d.of.first || c >= d.of.first + d.of.count) continue;
    const Square<float> square(d.to, image, row, column);
    corners.push_back({square.first + (c - d.of.first), square.row_step, square.ld});
  }
  return corners;
}

// The same with a residual added, to any destinations.
template <class Points, ActKind kAct>
void write_tiles_to_all(const WinogradTiles& tiles, std::int64_t begin, std::int64_t end, const ConvEpilogue& epilogue,
                        const PointPlanes& products) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const TensorView& residual = epilogue.residual ? *epilogue.residual : epilogue.to[0].to;
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const TilePlace place(tiles, tile);
    const int row = place.row * tiles.to_step, column = place.column * tiles.to_step;
    const Square<const float> added(residual, place.image, row, column);
    const bool inside = added.inside(Points::kTo);
    for (std::int64_t c = 0; c < products.width; c += lanes) {
      const Corners corners = corners_of(epilogue.to, c, place.image, row, column);
      tile_results<Points, kAct>(d, products.data + (tile - begin) * products.width + c, products.plane(),
                                 epilogue.bias ? epilogue.bias + c : nullptr,
                                 [&](int i, int j, hn::Vec<decltype(d)> value) HWY_ATTR {
                                   if (!inside && !added.has(i, j)) return;
                                   if (epilogue.residual) value = hn::Add(value, hn::LoadU(d, added.at(i, j) + c));
                                   for (const Corner& to : corners)
                                     hn::StoreU(value, d, to.data + i * to.row_step + j * to.ld);
                                 });
    }
  }
}

template <class Points, ActKind kAct>
void write_tiles(const WinogradTiles& tiles, std::int64_t begin, std::int64_t end, const ConvEpilogue& epilogue,
                 const PointPlanes& products) {
  if (epilogue.residual || epilogue.to.size() > 1 || epilogue.to[0].of.count < tiles.to.c) {
    return write_tiles_to_all<Points, kAct>(tiles, begin, end, epilogue, products);
  }
  write_tiles<Points, kAct>(tiles, begin, end, epilogue.bias, epilogue.to[0].to, products);
}

template <class Points>
void write_tiles(const WinogradTiles& tiles, std::int64_t begin, std::int64_t end, const ConvEpilogue& epilogue,
                 const PointPlanes& products) {
  switch (epilogue.act) {
    case ActKind::kSilu:
      return write_tiles<Points, ActKind::kSilu>(tiles, begin, end, epilogue, products);
    case ActKind::kRelu:
      return write_tiles<Points, ActKind::kRelu>(tiles, begin, end, epilogue, products);
    default:
      return write_tiles<Points, ActKind::kIdentity>(tiles, begin, end, epilogue, products);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();
#endif
