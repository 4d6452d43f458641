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
using cpu::FilterPanels;
using cpu::PointPlanes;
using cpu::WinogradFilters;
using cpu::WinogradTiles;

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
using cpu::FilterPanels;
using cpu::WinogradFilters;
using cpu::WinogradLimits;
using cpu::WinogradTiles;

HWY_EXPORT(filters_at_points);
HWY_EXPORT(convolve_tiles);

constexpr std::int64_t kVector = 16;  // channels that suit every instruction set

// How much of a convolution is computed at once.
struct ConvBlock {
  std::int64_t points, tiles, channels;  // at once; channels of what is convolved

  ConvBlock(const WinogradTiles& all, int stride, int threads) : points(cpu::most_points(stride)) {
    const std::int64_t from = all.from.c, to = all.to.c;
    channels = std::min(from, WinogradLimits::kChannels);
    tiles = cpu::tiles_at_once(points, channels + to + sums_width(all));
    // Filters that the second cache does not hold come from memory for each block: then fewer and larger ones, whose
    // planes do not stay there either, are faster.
    if (cpu::kFilterPoints * from * to > 2 * WinogradLimits::kFloats) {
      if (stride == 1) channels = from;
      tiles = std::max(tiles, stride == 1 ? WinogradLimits::kTiles : WinogradLimits::kTiles / 2);
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
  convolve(stream, cpu::forward_tiles(args.x, args.y, args.options), stride, filters, epilogue);
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

}  // namespace boxcar::kernels
#endif
