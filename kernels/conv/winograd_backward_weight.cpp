#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/conv/winograd_backward_weight.cpp"
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

using cpu::FilterGradBlock;
using cpu::PointPlanes;
using cpu::WinogradTiles;

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

using cpu::FilterGradBlock;
using cpu::WinogradLimits;
using cpu::WinogradTiles;

HWY_EXPORT(add_filter_grads);
HWY_EXPORT(write_filter_grads);

// A weight gradient's sum in parts, each over neighbouring tiles and a range of both sides' channels.
struct WeightGradTasks {
  std::int64_t tiles, in_channels, out_channels;
  std::int64_t parts = cpu::weight_grad_part_count(tiles, 64, 9 * in_channels * out_channels);
  std::int64_t most = WinogradLimits::kChannels / 2;  // sums at the points stay in the second cache
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

void cpu::winograd_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args) {
  const WinogradTiles tiles = cpu::forward_tiles(args.x, args.dy, args.options);
  const WeightGradTasks tasks{tiles.count(), args.x.c, args.dy.c};
  const std::int64_t points = cpu::most_points(args.options.stride);
  const std::int64_t step = cpu::tiles_at_once(points, tasks.in_step + tasks.out_step);
  const FilterGradBlock memory{.inputs = {nullptr, points, step, tasks.in_step},
                               .grads = {nullptr, points, step, tasks.out_step},
                               .sums = {nullptr, cpu::kFilterPoints, tasks.out_step, tasks.in_step}};
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
  cpu::sum_weight_grad_parts(stream, dw_parts.as(), tasks.parts, args.dw, args.mode);
}

}  // namespace boxcar::kernels
#endif
