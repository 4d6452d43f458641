#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/conv/winograd.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include <algorithm>

#include "boxcar/kernels/common/register_tile-inl.h"
#include "boxcar/kernels/common/simd-inl.h"
#include "boxcar/kernels/conv/winograd_tiles.h"
#include "boxcar/kernels/conv/winograd_transforms-inl.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

using cpu::kPatchSide;
using cpu::kPoints;
using cpu::kTileSide;
using cpu::PointPlanes;
using cpu::TilePlace;
using cpu::WinogradEpilogue;
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

// Channels [first, first + planes.width) of the squares of kSide pixels of some tiles, at the points: planes' rows.
template <class Points>
void transform_squares(const WinogradTiles& tiles, const TensorView& from, int padding, std::int64_t begin,
                       std::int64_t end, std::int64_t channel, const PointPlanes& planes) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const TilePlace place(tiles, tile);
    const Square<const float> square(from, place.image, place.row - padding, place.column - padding);
    const bool inside = square.inside(Points::kFrom);
    for (std::int64_t c = 0; c < planes.width; c += lanes) {
      float* to = planes.data + (tile - begin) * planes.width + c;
      const auto store = [&](int i, int j, hn::Vec<decltype(d)> value)
                             HWY_ATTR { hn::StoreU(value, d, to + (i * kPatchSide + j) * planes.plane()); };
      const std::int64_t offset = channel + c;
      if (inside) {
        transform<Points>(
            d, [&](int i, int j) HWY_ATTR { return hn::LoadU(d, square.at(i, j) + offset); }, store);
      } else {
        transform<Points>(
            d,
            [&](int i, int j)
                HWY_ATTR { return square.has(i, j) ? hn::LoadU(d, square.at(i, j) + offset) : hn::Zero(d); },
            store);
      }
    }
  }
}

template <ActKind kAct, class D>
HWY_INLINE hn::Vec<D> activated(D d, hn::Vec<D> x) {
  if constexpr (kAct == ActKind::kSilu) return hn::Mul(x, sigmoid(d, x));
  if constexpr (kAct == ActKind::kRelu) return hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), x);
  return x;
}

// y of some tiles from their products.
template <ActKind kAct>
void write_tiles(const WinogradTiles& tiles, std::int64_t begin, std::int64_t end, const float* bias,
                 const PointPlanes& products) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const TilePlace place(tiles, tile);
    const Square<float> square(tiles.y, place.image, place.row, place.column);
    const bool inside = square.inside(kTileSide);
    for (std::int64_t c = 0; c < products.width; c += lanes) {
      const float* from = products.data + (tile - begin) * products.width + c;
      const auto offset = bias ? hn::LoadU(d, bias + c) : hn::Zero(d);
      transform<OutputFromPoints>(
          d, [&](int i, int j) HWY_ATTR { return hn::LoadU(d, from + (i * kPatchSide + j) * products.plane()); },
          [&](int i, int j, hn::Vec<decltype(d)> value) HWY_ATTR {
            if (!inside && !square.has(i, j)) return;
            hn::StoreU(activated<kAct>(d, hn::Add(value, offset)), d, square.at(i, j) + c);
          });
    }
  }
}

void write_tiles(const WinogradTiles& tiles, std::int64_t begin, std::int64_t end, const WinogradEpilogue& epilogue,
                 const PointPlanes& products) {
  switch (epilogue.act) {
    case ActKind::kSilu:
      return write_tiles<ActKind::kSilu>(tiles, begin, end, epilogue.bias, products);
    case ActKind::kRelu:
      return write_tiles<ActKind::kRelu>(tiles, begin, end, epilogue.bias, products);
    default:
      return write_tiles<ActKind::kIdentity>(tiles, begin, end, epilogue.bias, products);
  }
}

}  // namespace

// Filters w(c, j) of channels c in [first, first + lanes of a vector) of x and all channels j of y, at the points:
// u[point][c][j].
void filters_at_points(const cpu::WinogradFilters& w, std::int64_t c, const PointPlanes& u) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const hn::RebindToSigned<decltype(d)> di;
  const auto index = hn::Mul(hn::Iota(di, 0), hn::Set(di, static_cast<std::int32_t>(w.to_step)));
  for (std::int64_t j = 0; j < u.width; j += lanes) {
    const float* from = w.data + c * w.from_step + j * w.to_step;
    transform<FilterPoints>(
        d,
        [&](int ky, int kx) HWY_ATTR {
          return hn::GatherIndex(d, from + (w.turned ? 8 - (ky * 3 + kx) : ky * 3 + kx) * w.tap_step, index);
        },
        [&](int ky, int kx, hn::Vec<decltype(d)> value)
            HWY_ATTR { hn::StoreU(value, d, u.at(ky * kPatchSide + kx) + c * u.width + j); });
  }
}

// y of tiles [begin, end), as many as `products` has rows. Channels of x go by as many as `inputs` has room for.
void forward_tiles(const WinogradTiles& tiles, const PointPlanes& u, const WinogradEpilogue& epilogue,
                   std::int64_t begin, std::int64_t end, const PointPlanes& inputs, const PointPlanes& products) {
  for (std::int64_t c = 0; c < u.rows; c += inputs.width) {
    PointPlanes part = inputs;
    part.width = std::min(inputs.width, u.rows - c);
    transform_squares<InputPoints>(tiles, tiles.x, tiles.padding, begin, end, c, part);
    for (int point = 0; point < kPoints; ++point) {
      multiply({part.at(point), part.width, 1, u.at(point) + c * u.width, u.width, products.at(point), products.width,
                part.width, c > 0},
               end - begin, u.width);
    }
  }
  write_tiles(tiles, begin, end, epilogue, products);
}

// Adds what tiles [begin, end) give to the sums [point][O part][C part].
void add_filter_grads(const WinogradTiles& tiles, std::int64_t begin, std::int64_t end, std::int64_t channel,
                      std::int64_t out_channel, const PointPlanes& inputs, const PointPlanes& grads,
                      const PointPlanes& sums) {
  transform_squares<InputPoints>(tiles, tiles.x, tiles.padding, begin, end, channel, inputs);
  transform_squares<OutputGradPoints>(tiles, tiles.y, 0, begin, end, out_channel, grads);
  for (int point = 0; point < kPoints; ++point) {
    multiply({grads.at(point), 1, grads.width, inputs.at(point), inputs.width, sums.at(point), sums.width, end - begin,
              true},
             sums.rows, sums.width);
  }
}

// dw [O part][3][3][C], of the sums' channels, from the sums.
void write_filter_grads(const PointPlanes& sums, std::int64_t channels, float* dw) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t o = 0; o < sums.rows; ++o) {
    for (std::int64_t c = 0; c < sums.width; c += lanes) {
      transform<FilterGradFromPoints>(
          d, [&](int i, int j) HWY_ATTR { return hn::LoadU(d, sums.at(i * kPatchSide + j) + o * sums.width + c); },
          [&](int ky, int kx, hn::Vec<decltype(d)> value)
              HWY_ATTR { hn::StoreU(value, d, dw + (o * 9 + ky * 3 + kx) * channels + c); });
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "boxcar/kernels/conv/winograd.h"
#include "boxcar/kernels/conv/weight_grad_parts.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace {

using cpu::kPoints;
using cpu::PointPlanes;
using cpu::WinogradEpilogue;
using cpu::WinogradFilters;
using cpu::WinogradTiles;

HWY_EXPORT(filters_at_points);
HWY_EXPORT(forward_tiles);
HWY_EXPORT(add_filter_grads);
HWY_EXPORT(write_filter_grads);

constexpr std::int64_t kVector = 16;       // channels that suit every instruction set
constexpr std::int64_t kMostChannels = 128;  // that are multiplied at once: a point's planes fit the first caches
constexpr std::int64_t kCachedFloats = 256 << 10;  // of a thread's planes: half of a second cache of 2 MB

// Tiles whose planes of `width` channels in all stay in a core's second cache.
std::int64_t tiles_at_once(std::int64_t width) {
  return std::clamp<std::int64_t>(kCachedFloats / (kPoints * width) / 12 * 12, 12, 96);
}

Tensor floats(Stream& stream, std::int64_t count) {
  return Tensor::empty(stream, {1, 1, static_cast<int>((count + 63) / 64), 64});
}

// Calls body(part, begin, end) with equal parts of 0..count, one for each thread.
void for_each_thread(Stream& stream, std::int64_t count,
                     FunctionRef<void(std::int64_t thread, std::int64_t begin, std::int64_t end)> body) {
  const std::int64_t threads = std::min<std::int64_t>(stream.threads(), count);
  parallel_for(stream.threads(), threads, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t t = first; t < last; ++t) body(t, count * t / threads, count * (t + 1) / threads);
  });
}

Tensor filters_at_points(Stream& stream, const WinogradFilters& w, std::int64_t from, std::int64_t to) {
  PointPlanes u{nullptr, from, to};
  Tensor storage = floats(stream, u.size());
  u.data = storage.as();
  parallel_for(stream.threads(), from, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) HWY_DYNAMIC_DISPATCH(filters_at_points)(w, c, u);
  });
  return storage;
}

void run_forward(Stream& stream, const WinogradTiles& tiles, const Tensor& filters, const WinogradEpilogue& epilogue) {
  const PointPlanes u{filters.as(), tiles.x.c, tiles.y.c};
  const std::int64_t channels = std::min<std::int64_t>(tiles.x.c, kMostChannels);
  const std::int64_t step = tiles_at_once(channels + tiles.y.c);
  PointPlanes inputs{nullptr, step, channels}, products{nullptr, step, tiles.y.c};
  const std::int64_t size = inputs.size() + products.size();
  const Tensor planes = floats(stream, size * stream.threads());
  for_each_thread(stream, tiles.count(), [&](std::int64_t thread, std::int64_t begin, std::int64_t end) {
    PointPlanes in = inputs, out = products;
    in.data = planes.as() + thread * size;
    out.data = in.data + in.size();
    for (std::int64_t tile = begin; tile < end; tile += step) {
      HWY_DYNAMIC_DISPATCH(forward_tiles)(tiles, u, epilogue, tile, std::min(tile + step, end), in, out);
    }
  });
}

}  // namespace

bool cpu::suits_winograd(const TensorView& x, const TensorView& y, const ConvOptions& o) {
  const bool three = o.kernel == 3 && o.stride == 1 && o.dilation == 1 && o.groups == 1 && o.padding <= 2;
  return three && x.dtype == DType::kF32 && y.dtype == DType::kF32 && x.c % kVector == 0 && y.c % kVector == 0 &&
         y.count() > 0;
}

void cpu::winograd_forward(Stream& stream, const ConvForwardArgs& args) {
  const std::int64_t channels = args.x.c;
  const WinogradFilters w{static_cast<const float*>(args.w.data), 1, 9 * channels, channels, false};
  run_forward(stream, {args.x, args.y, args.options.padding}, filters_at_points(stream, w, channels, args.y.c),
              {args.bias, args.act.kind});
}

// dx is the convolution of dy with each filter turned by half a circle.
void cpu::winograd_backward_input(Stream& stream, const ConvBackwardInputArgs& args) {
  const std::int64_t channels = args.dx.c;
  const WinogradFilters w{static_cast<const float*>(args.w.data), 9 * channels, 1, channels, true};
  run_forward(stream, {args.dy, args.dx, 2 - args.options.padding},
              filters_at_points(stream, w, args.dy.c, channels), {});
}

bool cpu::suits_winograd_weight_gradient(const ConvBackwardWeightArgs& args) {
  return !args.dbias && suits_winograd(args.x, args.dy, args.options);
}

void cpu::winograd_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args) {
  constexpr std::int64_t kTilesOfPart = 64, kMostParts = 32;
  const WinogradTiles tiles{args.x, args.dy, args.options.padding};
  const std::int64_t from = std::min<std::int64_t>(args.x.c, kMostChannels),
                     to = std::min<std::int64_t>(args.dy.c, kMostChannels);
  const std::int64_t from_count = (args.x.c + from - 1) / from, to_count = (args.dy.c + to - 1) / to;
  const std::int64_t parts = std::clamp<std::int64_t>(tiles.count() / kTilesOfPart, 1, kMostParts);
  const std::int64_t step = tiles_at_once(from + to);
  const PointPlanes inputs{nullptr, step, from}, grads{nullptr, step, to}, sums{nullptr, to, from};
  const std::int64_t size = inputs.size() + grads.size() + sums.size();
  const Tensor planes = floats(stream, size * stream.threads());
  const std::int64_t dw_size = args.dw.count();
  const Tensor dw_parts = floats(stream, parts * dw_size);
  for_each_thread(stream, parts * from_count * to_count, [&](std::int64_t thread, std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t part = task / (from_count * to_count), channel = task / to_count % from_count * from,
                         out_channel = task % to_count * to;
      PointPlanes in = inputs, grad = grads, sum = sums;
      in.width = sum.width = std::min<std::int64_t>(from, args.x.c - channel);
      grad.width = sum.rows = std::min<std::int64_t>(to, args.dy.c - out_channel);
      in.data = planes.as() + thread * size;
      grad.data = in.data + inputs.size();
      sum.data = grad.data + grads.size();
      std::fill_n(sum.data, sum.size(), 0.0f);
      const std::int64_t last = tiles.count() * (part + 1) / parts;
      for (std::int64_t tile = tiles.count() * part / parts; tile < last; tile += step) {
        HWY_DYNAMIC_DISPATCH(add_filter_grads)
        (tiles, tile, std::min(tile + step, last), channel, out_channel, in, grad, sum);
      }
      HWY_DYNAMIC_DISPATCH(write_filter_grads)
      (sum, args.x.c, dw_parts.as() + part * dw_size + out_channel * 9 * args.x.c + channel);
    }
  });
  sum_weight_grad_parts(stream, dw_parts.as(), parts, args);
}

}  // namespace boxcar::kernels
#endif
