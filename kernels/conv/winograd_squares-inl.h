// Between tensors of floats or bf16 (T) and numbers at the points of Winograd's filtering. Include it as simd-inl.h.
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
template <class Rows, class Columns, class T>
void transform_square(const Square<const T>& square, std::int64_t channel, const PointPlanes& planes,
                      std::int64_t row) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const bool inside = square.has(Rows::position(0), Columns::position(0)) &&
                      square.has(Rows::position(Rows::kFrom - 1), Columns::position(Columns::kFrom - 1));
  for (std::int64_t c = 0; c < planes.width; c += lanes) {
    float* to = planes.data + row * planes.width + c;
    const auto store = [&](int i, int j, hn::Vec<decltype(d)> value)
                           HWY_ATTR { hn::StoreU(value, d, to + (i * Columns::kTo + j) * planes.plane()); };
    const auto pixel = [&](int i, int j) HWY_ATTR {
      return load(d, square.at(Rows::position(i), Columns::position(j)) + channel + c);
    };
    const auto has = [&](int i, int j) { return square.has(Rows::position(i), Columns::position(j)); };
    if (inside) {
      transform<Rows, Columns>(d, pixel, store);
    } else {
      transform<Rows, Columns>(
          d, [&](int i, int j) HWY_ATTR { return has(i, j) ? pixel(i, j) : hn::Zero(d); }, store);
    }
  }
}

// The squares of `from` of tiles [begin, end).
template <class T, class Rows, class Columns = Rows>
void transform_from(const WinogradTiles& tiles, std::int64_t begin, std::int64_t end, std::int64_t channel,
                    const PointPlanes& planes) {
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const TilePlace place(tiles, tile);
    const int row = place.row * tiles.from_step - tiles.padding,
              column = place.column * tiles.from_step - tiles.padding;
    const Square<const T> square(tiles.from, place.image, row, column);
    transform_square<Rows, Columns>(square, channel, planes, tile - begin);
  }
}

// The squares of `to`.
template <class T, class Rows, class Columns = Rows>
void transform_to(const WinogradTiles& tiles, std::int64_t begin, std::int64_t end, std::int64_t channel,
                  const PointPlanes& planes) {
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const TilePlace place(tiles, tile);
    const Square<const T> square(tiles.to, place.image, place.row * tiles.to_step, place.column * tiles.to_step);
    transform_square<Rows, Columns>(square, channel, planes, tile - begin);
  }
}

// Results of a tile for one vector of channels: from products at the points, `from` and a plane apart, and from what
// `more` holds of its pixels, if anything.
struct TileProducts {
  const float *from, *more, *bias;
  std::int64_t plane, more_plane;

  TileProducts(const ConvEpilogue& epilogue, const PointPlanes& products, const PointPlanes& sums, std::int64_t row,
               std::int64_t c)
      : from(products.data + row * products.width + c),
        more(sums.data ? sums.data + row * sums.width + c : nullptr),
        bias(epilogue.bias ? epilogue.bias + c : nullptr),
        plane(products.plane()),
        more_plane(sums.plane()) {}
};

template <class Rows, class Columns, ActKind kAct, class D, class Store>
HWY_INLINE void tile_results(D d, const TileProducts& p, Store&& store) {
  const auto offset = p.bias ? hn::LoadU(d, p.bias) : hn::Zero(d);
  transform<Rows, Columns>(
      d, [&](int i, int j) HWY_ATTR { return hn::LoadU(d, p.from + (i * Columns::kFrom + j) * p.plane); },
      [&](int i, int j, hn::Vec<D> value) HWY_ATTR {
        if (p.more) value = hn::Add(value, hn::LoadU(d, p.more + (i * Columns::kTo + j) * p.more_plane));
        store(Rows::position(i), Columns::position(j), activated<kAct>(d, hn::Add(value, offset)));
      });
}

// Results of tiles [begin, end) to one tensor.
template <class T, class Rows, class Columns, ActKind kAct>
void write_tiles_to_one(const WinogradTiles& tiles, std::int64_t begin, std::int64_t end, const ConvEpilogue& epilogue,
                        const PointPlanes& products, const PointPlanes& sums) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const TilePlace place(tiles, tile);
    const Square<T> square(epilogue.to[0].to, place.image, place.row * tiles.to_step, place.column * tiles.to_step);
    const bool inside = square.inside(tiles.to_step);
    for (std::int64_t c = 0; c < products.width; c += lanes) {
      tile_results<Rows, Columns, kAct>(d, {epilogue, products, sums, tile - begin, c},
                                        [&](int i, int j, hn::Vec<decltype(d)> value) HWY_ATTR {
                                          if (!inside && !square.has(i, j)) return;
                                          T* pixel = square.at(i, j) + c;
                                          fetch_to_write(pixel + tiles.to_step * square.ld);  // of the next tile
                                          store(value, d, pixel);
                                        });
    }
  }
}

// Where a square's first pixel goes.
template <class T>
struct Corner {
  T* data = nullptr;
  std::int64_t row_step = 0, ld = 0;
};
template <class T>
using Corners = SmallVector<Corner<T>, Destinations::capacity()>;

// Those of a square whose first channel is c.
template <class T>
Corners<T> corners_of(const Destinations& all, std::int64_t c, int image, int row, int column) {
  Corners<T> corners;
  for (const Destination& d : all) {
    if (c < d.of.first || c >= d.of.first + d.of.count) continue;
    const Square<T> square(d.to, image, row, column);
    corners.push_back({square.first + (c - d.of.first), square.row_step, square.ld});
  }
  return corners;
}

// The same with a residual added, to any destinations.
template <class T, class Rows, class Columns, ActKind kAct>
void write_tiles_to_all(const WinogradTiles& tiles, std::int64_t begin, std::int64_t end, const ConvEpilogue& epilogue,
                        const PointPlanes& products, const PointPlanes& sums) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const TensorView& residual = epilogue.residual ? *epilogue.residual : epilogue.to[0].to;
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const TilePlace place(tiles, tile);
    const int row = place.row * tiles.to_step, column = place.column * tiles.to_step;
    const Square<const T> added(residual, place.image, row, column);
    const bool inside = added.inside(tiles.to_step);
    for (std::int64_t c = 0; c < products.width; c += lanes) {
      const Corners<T> corners = corners_of<T>(epilogue.to, c, place.image, row, column);
      tile_results<Rows, Columns, kAct>(d, {epilogue, products, sums, tile - begin, c},
                                        [&](int i, int j, hn::Vec<decltype(d)> value) HWY_ATTR {
                                          if (!inside && !added.has(i, j)) return;
                                          if (epilogue.residual) value = hn::Add(value, load(d, added.at(i, j) + c));
                                          for (const Corner<T>& to : corners)
                                            store(value, d, to.data + i * to.row_step + j * to.ld);
                                        });
    }
  }
}

template <class T, class Rows, class Columns, ActKind kAct>
void write_tiles(const WinogradTiles& tiles, std::int64_t begin, std::int64_t end, const ConvEpilogue& epilogue,
                 const PointPlanes& products, const PointPlanes& sums) {
  if (epilogue.residual || epilogue.to.size() > 1 || epilogue.to[0].of.count < tiles.to.c) {
    return write_tiles_to_all<T, Rows, Columns, kAct>(tiles, begin, end, epilogue, products, sums);
  }
  write_tiles_to_one<T, Rows, Columns, kAct>(tiles, begin, end, epilogue, products, sums);
}

// `sums` [pixels of the results] is added, if it has data.
template <class T, class Rows, class Columns>
void write_tiles(const WinogradTiles& tiles, std::int64_t begin, std::int64_t end, const ConvEpilogue& epilogue,
                 const PointPlanes& products, const PointPlanes& sums) {
  switch (epilogue.act) {
    case ActKind::kSilu:
      return write_tiles<T, Rows, Columns, ActKind::kSilu>(tiles, begin, end, epilogue, products, sums);
    case ActKind::kRelu:
      return write_tiles<T, Rows, Columns, ActKind::kRelu>(tiles, begin, end, epilogue, products, sums);
    default:
      return write_tiles<T, Rows, Columns, ActKind::kIdentity>(tiles, begin, end, epilogue, products, sums);
  }
}

// Results of `tiles` tiles, added to sums.
template <class Rows, class Columns>
void add_results(std::int64_t tiles, const PointPlanes& products, const PointPlanes& sums) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t i = 0; i < tiles * sums.width; i += lanes) {
    const float* from = products.data + i;
    float* const to = sums.data + i;
    transform<Rows, Columns>(
        d,
        [&](int row, int column)
            HWY_ATTR { return hn::LoadU(d, from + (row * Columns::kFrom + column) * products.plane()); },
        [&](int row, int column, hn::Vec<decltype(d)> value) HWY_ATTR {
          float* sum = to + (row * Columns::kTo + column) * sums.plane();
          hn::StoreU(hn::Add(hn::LoadU(d, sum), value), d, sum);
        });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();
#endif
