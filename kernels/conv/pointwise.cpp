#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/conv/pointwise.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include <algorithm>

#include "boxcar/kernels/activation/activation-inl.h"
#include "boxcar/kernels/common/register_tile-inl.h"
#include "boxcar/kernels/conv/conv_epilogue.h"
#include "boxcar/kernels/norm_act/destination_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

using cpu::ConvEpilogue;

template <ActKind kAct>
void write_rows(const ConvEpilogue& epilogue, const float* sums, std::int64_t first, std::int64_t rows,
                std::int64_t channels) {
  const DestinationRows<float> to(epilogue.to);
  const Rows<const float> residual = rows_of<const float>(epilogue.residual ? *epilogue.residual : TensorView{});
  for (std::int64_t r = 0; r < rows; ++r, sums += channels) {
    for_vectors(channels, [&](auto d, std::int64_t c) HWY_ATTR {
      auto value = load(d, sums + c);
      if (epilogue.bias) value = hn::Add(value, load(d, epilogue.bias + c));
      value = activated<kAct>(d, value);
      if (epilogue.residual) value = hn::Add(value, load(d, residual.row(first + r) + c));
      to.store_vector(d, first + r, c, value);
    });
  }
}

}  // namespace

// The epilogue of `rows` rows of sums [rows, channels], which are the tensors' from row `first` on.
void write_rows(const ConvEpilogue& epilogue, const float* sums, std::int64_t first, std::int64_t rows,
                std::int64_t channels) {
  switch (epilogue.act) {
    case ActKind::kSilu:
      return write_rows<ActKind::kSilu>(epilogue, sums, first, rows, channels);
    case ActKind::kRelu:
      return write_rows<ActKind::kRelu>(epilogue, sums, first, rows, channels);
    default:
      return write_rows<ActKind::kIdentity>(epilogue, sums, first, rows, channels);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "boxcar/kernels/conv/pointwise.h"
#include "boxcar/kernels/conv/weight_grad_parts.h"
#include "boxcar/kernels/norm_act/norm_act_simd.h"
#include "boxcar/kernels/norm_act/row_blocks.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace {

HWY_EXPORT(multiply);
HWY_EXPORT(write_rows);

constexpr std::int64_t kVector = 16;  // channels that suit every instruction set

// [C, O] from [O, 1, 1, C], in squares whose lines stay in the first cache.
Tensor turned_weights(Stream& stream, const TensorView& w) {
  constexpr std::int64_t kSide = 16;
  const Tensor turned = Tensor::empty(stream, {1, 1, w.c, w.n});
  const auto from = rows_of<const float>(w);
  const auto to = rows_of<float>(turned);
  const std::int64_t out_channels = w.n;
  parallel_for(stream.threads(), w.c / kSide, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin * kSide; c < end * kSide; c += kSide) {
      for (std::int64_t o = 0; o < out_channels; o += kSide) {
        for (std::int64_t i = 0; i < kSide; ++i) {
          for (std::int64_t j = 0; j < kSide; ++j) to(c + i, o + j) = from(o + j, c + i);
        }
      }
    }
  });
  return turned;
}

// Rows whose product is made at once: they stay in a core's second cache, and weights are worth being fetched for them.
constexpr std::int64_t kMostRows = 1024;
std::int64_t rows_at_once(std::int64_t channels) {
  return std::clamp<std::int64_t>((16 << 10) / channels, 128, kMostRows);
}

// A range of neighbouring pixels of both sides.
struct Pixels {
  std::int64_t begin, end;
  std::int64_t count() const { return end - begin; }
};

// What follows from dz of some pixels: dx, and a part of dw, which is written first and then added to.
void use_grad(const ConvNormActBackwardArgs& args, const Pixels& pixels, const float* dz, float* dw, bool add) {
  const std::int64_t from = args.x.c, to = args.norm.z.c;
  const float* w = static_cast<const float*>(args.w.data);
  if (args.dx) {
    const auto dx = rows_of<float>(*args.dx);
    HWY_DYNAMIC_DISPATCH(multiply)
    ({dz, to, 1, w, from, dx.row(pixels.begin), dx.ld, to, false}, pixels.count(), from);
  }
  if (args.dw) {
    const auto x = rows_of<const float>(args.x);
    HWY_DYNAMIC_DISPATCH(multiply)
    ({dz, 1, to, x.row(pixels.begin), x.ld, dw, from, pixels.count(), add}, to, from);
  }
}

}  // namespace

bool cpu::suits_pointwise(const TensorView& x, const TensorView& y, const ConvOptions& o) {
  return o.kernel == 1 && o.stride == 1 && o.padding == 0 && o.groups == 1 && x.dtype == DType::kF32 &&
         y.dtype == DType::kF32 && x.c % kVector == 0 && y.c % kVector == 0 && y.count() > 0;
}

bool cpu::suits_pointwise_statistics(const ConvForwardArgs& args) {
  return args.statistics.wanted() && !args.bias && args.act.kind == ActKind::kIdentity &&
         suits_pointwise(args.x, args.y, args.options);
}

void cpu::pointwise_forward(Stream& stream, const ConvForwardArgs& args) {
  const std::int64_t from = args.x.c, to = args.y.c;
  const Tensor turned = turned_weights(stream, args.w);
  const auto x = rows_of<const float>(args.x);
  const auto y = rows_of<float>(args.y);
  simd::BatchMoments moments(stream, {args.y, args.statistics});
  const RowBlocks& blocks = moments.blocks();
  const std::int64_t step = std::max<std::int64_t>(1, rows_at_once(to) / blocks.rows());
  parallel_for(stream.threads(), blocks.count(), 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t b = first; b < last; b += step) {
      const std::int64_t next = std::min(b + step, last);
      const Pixels some{blocks.begin(b), blocks.end(next - 1)};
      HWY_DYNAMIC_DISPATCH(multiply)
      ({x.row(some.begin), x.ld, 1, turned.as(), to, y.row(some.begin), y.ld, from, false}, some.count(), to);
      for (std::int64_t i = b; i < next; ++i) moments.add(i);
    }
  });
  moments.save();
}

void cpu::pointwise_forward(Stream& stream, const ConvForwardArgs& args, const ConvEpilogue& epilogue) {
  constexpr std::int64_t kGrain = 12;  // rows that a product takes at once
  const std::int64_t from = args.x.c, to = args.y.c, pixels = args.y.pixels();
  const std::int64_t step = rows_at_once(to) / kGrain * kGrain;
  Tensor turned = args.cache ? args.cache->own : Tensor();
  if (!turned) turned = turned_weights(stream, args.w);
  if (args.cache) args.cache->own = turned;
  const auto x = rows_of<const float>(args.x);
  const Tensor buffers = cpu::scratch_rows(stream, stream.threads(), step * to);
  for_each_thread(
      stream.threads(), (pixels + kGrain - 1) / kGrain,
      [&](std::int64_t thread, std::int64_t first, std::int64_t last) {
        float* const sums = buffers.as() + thread * step * to;
        const std::int64_t end = std::min(last * kGrain, pixels);
        for (std::int64_t row = first * kGrain; row < end; row += step) {
          const std::int64_t rows = std::min(step, end - row);
          HWY_DYNAMIC_DISPATCH(multiply)({x.row(row), x.ld, 1, turned.as(), to, sums, to, from, false}, rows, to);
          HWY_DYNAMIC_DISPATCH(write_rows)(epilogue, sums, row, rows, to);
        }
      });
}

namespace {

// Parts of the batch whose weight gradients are summed one after the other.
std::int64_t backward_parts(const ConvNormActBackwardArgs& args) {
  constexpr std::int64_t kFewest = 512;  // rows, for which writing and adding a gradient is worth while
  const std::int64_t size = args.w.count(), block = rows_at_once(args.norm.z.c);
  return cpu::weight_grad_part_count(args.norm.z.pixels(), std::clamp(size / 512, block, std::max(block, kFewest)),
                                     size);
}

}  // namespace

bool cpu::suits_pointwise_backward(const ConvNormActBackwardArgs& args) {
  constexpr std::int64_t kForOneThread = 1 << 20;  // products that are not worth sharing out
  return args.w.dtype == DType::kF32 && suits_pointwise(args.x, args.norm.z, args.options) &&
         (backward_parts(args) > 1 || args.norm.z.pixels() * args.w.count() <= kForOneThread);
}

void cpu::pointwise_norm_act_backward(Stream& stream, const ConvNormActBackwardArgs& args) {
  const simd::NormGradRows grads(stream, args.norm);
  const std::int64_t pixels = args.norm.z.pixels(), size = args.w.count();
  const std::int64_t block = rows_at_once(args.norm.z.c);
  const std::int64_t parts = backward_parts(args);
  const Tensor sums = cpu::scratch_rows(stream, args.dw ? parts : 0, size);
  const std::int64_t buffer = block * args.norm.z.c;
  const Tensor buffers = cpu::scratch_rows(stream, parts, buffer);
  parallel_for(stream.threads(), parts, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t part = first; part < last; ++part) {
      const std::int64_t begin = pixels * part / parts, end = pixels * (part + 1) / parts;
      float* const dz = buffers.as() + first * buffer;
      for (std::int64_t row = begin; row < end; row += block) {
        const Pixels some{row, std::min(row + block, end)};
        grads.write(some.begin, some.end, dz);
        use_grad(args, some, dz, sums.as() + part * size, row > begin);
      }
    }
  });
  if (args.dw) sum_weight_grad_parts(stream, sums.as(), parts, *args.dw, args.mode);
}

}  // namespace boxcar::kernels
#endif
