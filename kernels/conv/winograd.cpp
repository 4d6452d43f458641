#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/conv/winograd.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include <algorithm>

#include "boxcar/kernels/common/register_tile-inl.h"
#include "boxcar/kernels/conv/winograd_squares-inl.h"
#include "boxcar/kernels/conv/winograd_transforms-inl.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

using cpu::ConvEpilogue;
using cpu::FilterGradBlock;
using cpu::FilterPanels;
using cpu::PointPlanes;
using cpu::WinogradFilters;
using cpu::WinogradTiles;

// Calls f(point, filter point) for all points of two sides.
template <class Rows, class Columns = Rows, class F>
HWY_INLINE void for_points(F&& f) {
  for (int i = 0; i < Rows::kPoints; ++i) {
    for (int j = 0; j < Columns::kPoints; ++j) {
      f(i * Columns::kPoints + j, Rows::filter_point(i) * 6 + Columns::filter_point(j));
    }
  }
}

template <class Scheme>
void filters_at_points(const WinogradFilters& w, std::int64_t c, const FilterPanels& u) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const hn::RebindToSigned<decltype(d)> di;
  const auto index = hn::Mul(hn::Iota(di, 0), hn::Set(di, static_cast<std::int32_t>(w.to_step)));
  for (std::int64_t j = 0; j < u.to; j += lanes) {
    const std::int64_t panel = j / FilterPanels::kPanel * FilterPanels::kPanel;
    const float* from = w.data + c * w.from_step + j * w.to_step;
    transform<typename Scheme::Filter>(
        d,
        [&](int ky, int kx) HWY_ATTR {
          const auto tap = hn::GatherIndex(d, from + (w.turned ? 8 - (ky * 3 + kx) : ky * 3 + kx) * w.tap_step, index);
          return w.type == DType::kBF16 ? rounded_to_bf16(d, tap) : tap;
        },
        [&](int ky, int kx, hn::Vec<decltype(d)> value)
            HWY_ATTR { hn::StoreU(value, d, u.at(ky * 6 + kx, c, panel) + (j - panel)); });
  }
}

// A thread's numbers at the points of a block of tiles, and sums over quarters of the points.
using Planes = cpu::WinogradPlanes;

// Channels go by as many as `inputs` has room for.
template <class T, class Rows, class Columns = Rows>
void multiply_tiles(const WinogradTiles& tiles, const FilterPanels& u, std::int64_t begin, std::int64_t end,
                    const PointPlanes& inputs, const PointPlanes& products) {
  for (std::int64_t c = 0; c < u.from; c += inputs.width) {
    PointPlanes part = inputs;
    part.width = std::min(inputs.width, u.from - c);
    transform_from<T, typename Rows::Input, typename Columns::Input>(tiles, begin, end, c, part);
    for_points<Rows, Columns>([&](int point, int filter_point) {
      for (std::int64_t j = 0; j < u.to; j += FilterPanels::kPanel) {
        multiply({part.at(point), part.width, 1, u.at(filter_point, c, j), u.width(j), products.at(point) + j,
                  products.width, part.width, c > 0},
                 end - begin, u.width(j));
      }
    });
  }
}

template <class T, class Rows, class Columns = Rows>
void convolve_tiles(const WinogradTiles& tiles, const FilterPanels& u, const ConvEpilogue& epilogue, std::int64_t begin,
                    std::int64_t end, const Planes& planes, const PointPlanes& sums = {}) {
  multiply_tiles<T, Rows, Columns>(tiles, u, begin, end, planes.inputs, planes.products);
  write_tiles<T, typename Rows::Output, typename Columns::Output>(tiles, begin, end, epilogue, planes.products, sums);
}

using ForwardOuter = OuterTaps<EvenPixels, EachPixel>;
using ForwardMiddle = MiddleTap<OddPixels, EachPixel>;

// The points go by in quarters, so that more tiles share what is read of the filters.
void convolve_with_stride(const WinogradTiles& tiles, const FilterPanels& u, const ConvEpilogue& epilogue,
                          std::int64_t begin, std::int64_t end, const Planes& planes) {
  multiply_tiles<float, ForwardMiddle, ForwardMiddle>(tiles, u, begin, end, planes.inputs,
                                                      planes.sums);  // points are pixels
  multiply_tiles<float, ForwardMiddle, ForwardOuter>(tiles, u, begin, end, planes.inputs, planes.products);
  add_results<ForwardMiddle::Output, ForwardOuter::Output>(end - begin, planes.products, planes.sums);
  multiply_tiles<float, ForwardOuter, ForwardMiddle>(tiles, u, begin, end, planes.inputs, planes.products);
  add_results<ForwardOuter::Output, ForwardMiddle::Output>(end - begin, planes.products, planes.sums);
  convolve_tiles<float, ForwardOuter, ForwardOuter>(tiles, u, epilogue, begin, end, planes, planes.sums);
}

// Each quarter makes pixels of its own.
void convolve_backward(const WinogradTiles& tiles, const FilterPanels& u, const ConvEpilogue& epilogue,
                       std::int64_t begin, std::int64_t end, const Planes& planes) {
  using Outer = OuterTaps<EachPixel, OddPixels>;
  using Middle = MiddleTap<EachPixel, EvenPixels>;
  convolve_tiles<float, Middle, Middle>(tiles, u, epilogue, begin, end, planes);
  convolve_tiles<float, Middle, Outer>(tiles, u, epilogue, begin, end, planes);
  convolve_tiles<float, Outer, Middle>(tiles, u, epilogue, begin, end, planes);
  convolve_tiles<float, Outer, Outer>(tiles, u, epilogue, begin, end, planes);
}

template <class T, class Rows, class Columns = Rows>
void add_filter_grads(const WinogradTiles& tiles, const FilterGradBlock& b) {
  transform_from<T, typename Rows::Input, typename Columns::Input>(tiles, b.begin, b.end, b.channel, b.inputs);
  transform_to<T, typename Rows::OutputGrad, typename Columns::OutputGrad>(tiles, b.begin, b.end, b.out_channel,
                                                                           b.grads);
  for_points<Rows, Columns>([&](int point, int filter_point) {
    multiply({b.grads.at(point), 1, b.grads.width, b.inputs.at(point), b.inputs.width, b.sums.at(filter_point),
              b.sums.width, b.end - b.begin, true},
             b.sums.rows, b.sums.width);
  });
}

// The points go by in quarters, so that there is memory for more tiles, which the products add up.
void add_filter_grads_with_stride(const WinogradTiles& tiles, const FilterGradBlock& block) {
  add_filter_grads<float, ForwardMiddle, ForwardMiddle>(tiles, block);
  add_filter_grads<float, ForwardMiddle, ForwardOuter>(tiles, block);
  add_filter_grads<float, ForwardOuter, ForwardMiddle>(tiles, block);
  add_filter_grads<float, ForwardOuter, ForwardOuter>(tiles, block);
}

template <class Scheme>
void write_filter_grads(const PointPlanes& sums, std::int64_t channels, float* dw) {
  const Wide d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t o = 0; o < sums.rows; ++o) {
    for (std::int64_t c = 0; c < sums.width; c += lanes) {
      transform<typename Scheme::FilterGrad>(
          d, [&](int i, int j) HWY_ATTR { return hn::LoadU(d, sums.at(i * 6 + j) + o * sums.width + c); },
          [&](int ky, int kx, hn::Vec<decltype(d)> value)
              HWY_ATTR { hn::StoreU(value, d, dw + (o * 9 + ky * 3 + kx) * channels + c); });
    }
  }
}

}  // namespace

// Filters of channel c of what is convolved and all channels j of the result, at the points: u[point][c][j].
void filters_at_points(int stride, const WinogradFilters& w, std::int64_t c, const FilterPanels& u) {
  if (stride == 1) return filters_at_points<UnitStride>(w, c, u);
  filters_at_points<StrideTwo>(w, c, u);
}

// Results of tiles [begin, end), no more than planes have rows.
void convolve_tiles(const WinogradTiles& tiles, const FilterPanels& u, const ConvEpilogue& epilogue, std::int64_t begin,
                    std::int64_t end, const Planes& planes) {
  if (tiles.from.dtype == DType::kBF16) {
    return convolve_tiles<bfloat16, UnitStride>(tiles, u, epilogue, begin, end, planes);
  }
  if (tiles.from_step == tiles.to_step) {
    return convolve_tiles<float, UnitStride>(tiles, u, epilogue, begin, end, planes);
  }
  if (tiles.from_step > tiles.to_step) return convolve_with_stride(tiles, u, epilogue, begin, end, planes);
  convolve_backward(tiles, u, epilogue, begin, end, planes);
}

// Adds what a block's tiles give to its sums [filter point][O part][C part].
void add_filter_grads(const WinogradTiles& tiles, const FilterGradBlock& block) {
  if (tiles.from.dtype == DType::kBF16) return add_filter_grads<bfloat16, UnitStride>(tiles, block);
  if (tiles.from_step == tiles.to_step) return add_filter_grads<float, UnitStride>(tiles, block);
  add_filter_grads_with_stride(tiles, block);
}

// dw [O part][3][3][C], of the sums' channels, from the sums.
void write_filter_grads(int stride, const PointPlanes& sums, std::int64_t channels, float* dw) {
  if (stride == 1) return write_filter_grads<UnitStride>(sums, channels, dw);
  write_filter_grads<StrideTwo>(sums, channels, dw);
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "boxcar/kernels/conv/weight_grad_parts.h"
#include "boxcar/kernels/conv/winograd.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace {

using cpu::ConvEpilogue;
using cpu::FilterGradBlock;
using cpu::FilterPanels;
using cpu::PointPlanes;
using cpu::WinogradFilters;
using cpu::WinogradTiles;

HWY_EXPORT(filters_at_points);
HWY_EXPORT(convolve_tiles);
HWY_EXPORT(add_filter_grads);
HWY_EXPORT(write_filter_grads);

constexpr std::int64_t kVector = 16;               // channels that suit every instruction set
constexpr std::int64_t kMostChannels = 128;        // that are multiplied at once: a point's planes fit the first caches
constexpr std::int64_t kCachedFloats = 256 << 10;  // of a thread's planes: half of a second cache of 2 MB
constexpr std::int64_t kMostTiles = 96;            // at once

// Tiles whose planes of `width` channels in all stay in a core's second cache.
std::int64_t tiles_at_once(std::int64_t points, std::int64_t width) {
  return std::clamp<std::int64_t>(kCachedFloats / (points * width) / 12 * 12, 12, kMostTiles);
}

// Points that are computed at once: all of stride 1, a quarter of stride 2.
std::int64_t most_points(int stride) { return stride == 1 ? 36 : 25; }

// How much of a convolution is computed at once.
struct ConvBlock {
  std::int64_t points, tiles, channels;  // at once; channels of what is convolved

  ConvBlock(const WinogradTiles& all, int stride, int threads) : points(most_points(stride)) {
    const std::int64_t from = all.from.c, to = all.to.c;
    channels = std::min(from, kMostChannels);
    tiles = tiles_at_once(points, channels + to + sums_width(all));
    // Filters that the second cache does not hold come from memory for each block: then fewer and larger ones, whose
    // planes do not stay there either, are faster.
    if (cpu::kFilterPoints * from * to > 2 * kCachedFloats) {
      if (stride == 1) channels = from;
      tiles = std::max(tiles, stride == 1 ? kMostTiles : kMostTiles / 2);
    }
    tiles = std::min(tiles, (all.count() + threads - 1) / threads);
  }
  // A thread's planes.
  cpu::WinogradPlanes planes(const WinogradTiles& all) const {
    const std::int64_t sums = all.from_step > all.to_step ? 16 : 0;
    return {{nullptr, points, tiles, channels}, {nullptr, points, tiles, all.to.c}, {nullptr, sums, tiles, all.to.c}};
  }

 private:
  static std::int64_t sums_width(const WinogradTiles& all) {
    return all.from_step > all.to_step ? all.to.c * 16 / 25 : 0;
  }
};

Tensor filters_at_points(Stream& stream, int stride, const WinogradFilters& w, std::int64_t from, std::int64_t to) {
  FilterPanels u{nullptr, from, to};
  Tensor storage = cpu::scratch_rows(stream, cpu::kFilterPoints, u.plane());
  u.data = storage.as();
  parallel_for(stream.threads(), from, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) HWY_DYNAMIC_DISPATCH(filters_at_points)(stride, w, c, u);
  });
  return storage;
}

void convolve(Stream& stream, const WinogradTiles& tiles, int stride, const Tensor& filters,
              const ConvEpilogue& epilogue) {
  const FilterPanels u{filters.as(), tiles.from.c, tiles.to.c};
  const ConvBlock block(tiles, stride, stream.threads());
  const cpu::WinogradPlanes planes = block.planes(tiles);
  const Tensor memory = cpu::scratch_rows(stream, stream.threads(), planes.size());
  for_each_thread(stream.threads(), tiles.count(), [&](std::int64_t thread, std::int64_t begin, std::int64_t end) {
    const cpu::WinogradPlanes own = planes.in(memory.as() + thread * planes.size());
    for (std::int64_t tile = begin; tile < end; tile += block.tiles) {
      HWY_DYNAMIC_DISPATCH(convolve_tiles)(tiles, u, epilogue, tile, std::min(tile + block.tiles, end), own);
    }
  });
}

WinogradTiles forward_tiles(const TensorView& x, const TensorView& y, const ConvOptions& options) {
  return {x, y, options.padding, 4 * options.stride, 4};
}

// A weight gradient's sum in parts, each over neighbouring tiles and a range of both sides' channels.
struct WeightGradTasks {
  std::int64_t tiles, in_channels, out_channels;
  std::int64_t parts = cpu::weight_grad_part_count(tiles, 64, 9 * in_channels * out_channels);
  std::int64_t most = kMostChannels / 2;  // sums at the points stay in the second cache
  std::int64_t in_step = std::min(in_channels, most), out_step = std::min(out_channels, most);
  std::int64_t in_count = (in_channels + in_step - 1) / in_step, out_count = (out_channels + out_step - 1) / out_step;

  struct Task {
    std::int64_t part, begin, end, channel, width, out_channel, out_width;
  };
  std::int64_t count() const { return parts * in_count * out_count; }
  Task at(std::int64_t i) const {
    const std::int64_t part = i / (in_count * out_count), channel = i / out_count % in_count * in_step,
                       out_channel = i % out_count * out_step;
    return {part,
            tiles * part / parts,
            tiles * (part + 1) / parts,
            channel,
            std::min(in_step, in_channels - channel),
            out_channel,
            std::min(out_step, out_channels - out_channel)};
  }
};

}  // namespace

bool cpu::suits_winograd(const TensorView& x, const TensorView& y, const ConvOptions& o) {
  const bool three = o.kernel == 3 && o.dilation == 1 && o.groups == 1;
  // Of bf16 the library makes twice as many products at a time: stride 2 saves fewer.
  const bool strided = o.stride == 2 && o.padding == 1 && x.dtype == DType::kF32;
  const bool known = (o.stride == 1 && o.padding <= 2) || strided;
  return three && known && x.dtype == y.dtype && x.c % kVector == 0 && y.c % kVector == 0 && y.count() > 0;
}

void cpu::winograd_forward(Stream& stream, const ConvForwardArgs& args) {
  ConvEpilogue epilogue = ConvEpilogue::store(args.y);
  epilogue.bias = args.bias;
  epilogue.act = args.act.kind;
  winograd_forward(stream, args, epilogue);
}

void cpu::winograd_forward(Stream& stream, const ConvForwardArgs& args, const ConvEpilogue& epilogue) {
  const std::int64_t channels = args.x.c;
  const WinogradFilters w{static_cast<const float*>(args.w.data), 1, 9 * channels, channels, false, args.x.dtype};
  const int stride = args.options.stride;
  Tensor filters;
  if (args.cache && args.cache->own_type == w.type) filters = args.cache->own;
  if (!filters) filters = filters_at_points(stream, stride, w, channels, args.y.c);
  if (args.cache) args.cache->own = filters, args.cache->own_type = w.type;
  convolve(stream, forward_tiles(args.x, args.y, args.options), stride, filters, epilogue);
}

// dx is the convolution of dy with each filter turned by half a circle; with stride 2 of dy with zeros between.
void cpu::winograd_backward_input(Stream& stream, const ConvBackwardInputArgs& args) {
  const std::int64_t channels = args.dx.c;
  const WinogradFilters w{static_cast<const float*>(args.w.data), 9 * channels, 1, channels, true, args.dy.dtype};
  const int stride = args.options.stride;
  const WinogradTiles tiles{args.dy, args.dx, stride == 1 ? 2 - args.options.padding : 0, 4, 4 * stride};
  convolve(stream, tiles, stride, filters_at_points(stream, stride, w, args.dy.c, channels),
           ConvEpilogue::store(args.dx));
}

void cpu::winograd_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args) {
  const WinogradTiles tiles = forward_tiles(args.x, args.dy, args.options);
  const WeightGradTasks tasks{tiles.count(), args.x.c, args.dy.c};
  const std::int64_t points = most_points(args.options.stride);
  const std::int64_t step = tiles_at_once(points, tasks.in_step + tasks.out_step);
  const FilterGradBlock memory{.inputs = {nullptr, points, step, tasks.in_step},
                               .grads = {nullptr, points, step, tasks.out_step},
                               .sums = {nullptr, kFilterPoints, tasks.out_step, tasks.in_step}};
  const Tensor planes = cpu::scratch_rows(stream, stream.threads(), memory.size());
  const std::int64_t dw_size = args.dw.count();
  const Tensor dw_parts = cpu::scratch_rows(stream, tasks.parts, dw_size);
  for_each_thread(stream.threads(), tasks.count(), [&](std::int64_t thread, std::int64_t begin, std::int64_t end) {
    FilterGradBlock block = memory.in(planes.as() + thread * memory.size());
    for (std::int64_t i = begin; i < end; ++i) {
      const WeightGradTasks::Task task = tasks.at(i);
      block.channel = task.channel;
      block.out_channel = task.out_channel;
      block.inputs.width = block.sums.width = task.width;
      block.grads.width = block.sums.rows = task.out_width;
      std::fill_n(block.sums.data, block.sums.size(), 0.0f);
      for (block.begin = task.begin; block.begin < task.end; block.begin = block.end) {
        block.end = std::min(block.begin + step, task.end);
        HWY_DYNAMIC_DISPATCH(add_filter_grads)(tiles, block);
      }
      float* dw = dw_parts.as() + task.part * dw_size + task.out_channel * 9 * args.x.c + task.channel;
      HWY_DYNAMIC_DISPATCH(write_filter_grads)(args.options.stride, block.sums, args.x.c, dw);
    }
  });
  sum_weight_grad_parts(stream, dw_parts.as(), tasks.parts, args.dw, args.mode);
}

}  // namespace boxcar::kernels
#endif
