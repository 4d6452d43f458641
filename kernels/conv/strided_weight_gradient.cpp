#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/conv/strided_weight_gradient.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include <algorithm>

#include "boxcar/kernels/common/simd-inl.h"
#include "boxcar/kernels/conv/depthwise_taps.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

// Pixels of an output row that meet one tap: x and dy at the first of them, and how far the next one is.
struct Run {
  const float *x, *dy;
  std::int64_t x_step, dy_step, count;
};

// sums[o, i] += sum over the run of dy[o] * x[i], for kOut output channels and kVectors vectors of input channels; the
// sums stay in registers.
template <int kOut, int kVectors, class D>
HWY_INLINE void add_outer_products(D d, const Run& run, float* sums, std::int64_t sums_step) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<D> sum[kOut][kVectors];
  for (int o = 0; o < kOut; ++o) {
    for (int v = 0; v < kVectors; ++v) sum[o][v] = hn::LoadU(d, sums + o * sums_step + v * lanes);
  }
  const float *x = run.x, *dy = run.dy;
  for (std::int64_t p = 0; p < run.count; ++p, x += run.x_step, dy += run.dy_step) {
    hn::Vec<D> in[kVectors];
    for (int v = 0; v < kVectors; ++v) in[v] = hn::LoadU(d, x + v * lanes);
    for (int o = 0; o < kOut; ++o) {
      const auto g = hn::Set(d, dy[o]);
      for (int v = 0; v < kVectors; ++v) sum[o][v] = hn::MulAdd(g, in[v], sum[o][v]);
    }
  }
  for (int o = 0; o < kOut; ++o) {
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[o][v], d, sums + o * sums_step + v * lanes);
  }
}

// A tap's weights [O, C]: 24 sums in registers where there are 32, 12 where there are 16.
void add_tap(Run run, std::int64_t out_channels, std::int64_t in_channels, float* sums, std::int64_t sums_step) {
  const Wide d;
  constexpr int kVectors = HWY_TARGET <= HWY_AVX3 ? 4 : 2, kOut = 6;
  const std::int64_t step = kVectors * static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t i = 0; i < in_channels; i += step) {
    Run part = run;
    part.x += i;
    float* to = sums + i;
    std::int64_t o = 0;
    for (; o + kOut <= out_channels; o += kOut, part.dy += kOut, to += kOut * sums_step) {
      add_outer_products<kOut, kVectors>(d, part, to, sums_step);
    }
    for (; o < out_channels; ++o, ++part.dy, to += sums_step) add_outer_products<1, kVectors>(d, part, to, sums_step);
  }
}

}  // namespace

// Adds output row (n, oy)'s part to dw [O,k,k,C].
void add_weight_grad_row(const ConvBackwardWeightArgs& args, int n, int oy, float* dw) {
  constexpr int kRun = 96;  // pixels whose x and dy stay in the first cache
  const ConvOptions& o = args.options;
  const int k = o.kernel;
  const auto x = rows_of<const float>(args.x), dy = rows_of<const float>(args.dy);
  const std::int64_t channels = args.x.c, sums_step = std::int64_t{k} * k * channels;
  const cpu::Taps vertical = cpu::taps_inside(oy, args.x.h, o);
  for (int ky = vertical.begin; ky < vertical.end; ++ky) {
    const int row = vertical.first_input + ky * o.dilation;
    for (int kx = 0; kx < k; ++kx) {
      const auto inside = [&](int ox) { return cpu::taps_inside(ox, args.x.w, o); };
      int first = 0, end = args.dy.w;
      while (first < end && inside(first).begin > kx) ++first;
      while (end > first && inside(end - 1).end <= kx) --end;
      for (; first < end; first += kRun) {
        const int column = first * o.stride - o.padding + kx * o.dilation;
        const Run run{x.row(cpu::pixel(args.x, n, row, column)), dy.row(cpu::pixel(args.dy, n, oy, first)),
                      o.stride * args.x.ld, args.dy.ld, std::min(kRun, end - first)};
        add_tap(run, args.dy.c, channels, dw + (ky * k + kx) * channels, sums_step);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "boxcar/kernels/conv/strided_weight_gradient.h"
#include "boxcar/kernels/conv/weight_grad_parts.h"

namespace boxcar::kernels {
namespace {

HWY_EXPORT(add_weight_grad_row);

constexpr std::int64_t kChannels = 64;         // the kernel's vectors, whatever the instruction set
constexpr std::int64_t kMostParts = 32;        // more threads than this find no work
constexpr std::int64_t kMostFloats = 4 << 20;  // of all parts

// Parts [count, dw] of the sum, each over neighbouring output rows.
std::int64_t part_count(const ConvBackwardWeightArgs& args) {
  const std::int64_t rows = std::int64_t{args.dy.n} * args.dy.h;
  return std::clamp<std::int64_t>(kMostFloats / args.dw.count(), 1, std::min(rows, kMostParts));
}

}  // namespace

bool cpu::suits_strided_weight_gradient(const ConvBackwardWeightArgs& args) {
  return args.x.dtype == DType::kF32 && args.options.stride > 1 && args.options.groups == 1 && !args.dbias &&
         args.x.c % kChannels == 0 && args.dy.count() > 0;
}

void cpu::strided_weight_gradient(Stream& stream, const ConvBackwardWeightArgs& args) {
  const std::int64_t rows = std::int64_t{args.dy.n} * args.dy.h, parts = part_count(args), size = args.dw.count();
  const Tensor sums = Tensor::zeros(stream, {1, 1, static_cast<int>(parts), static_cast<int>(size)});
  parallel_for(stream.threads(), parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = rows * begin / parts, last = rows * end / parts, part = begin; row < last; ++row) {
      while (row >= rows * (part + 1) / parts) ++part;
      HWY_DYNAMIC_DISPATCH(add_weight_grad_row)
      (args, static_cast<int>(row / args.dy.h), static_cast<int>(row % args.dy.h), sums.as() + part * size);
    }
  });
  sum_weight_grad_parts(stream, sums.as(), parts, args);
}

}  // namespace boxcar::kernels
#endif
