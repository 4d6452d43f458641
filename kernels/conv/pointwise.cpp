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

}  // namespace

bool cpu::suits_pointwise(const TensorView& x, const TensorView& y, const ConvOptions& o) {
  return o.kernel == 1 && o.stride == 1 && o.padding == 0 && o.groups == 1 && x.dtype == DType::kF32 &&
         y.dtype == DType::kF32 && x.c % kVector == 0 && y.c % kVector == 0 && y.count() > 0;
}

bool cpu::suits_pointwise_statistics(const ConvForwardArgs& args) {
  return args.statistics.wanted() && !args.bias && args.act.kind == ActKind::kIdentity &&
         suits_pointwise(args.x, args.y, args.options);
}

void cpu::pointwise_forward(Stream& stream, const ConvForwardArgs& args, const EnlargedMap* plus) {
  const std::int64_t from = args.x.c, to = args.y.c;
  const Tensor turned = turned_weights(stream, args.w);
  const auto x = rows_of<const float>(args.x);
  const auto y = rows_of<float>(args.y);
  simd::BatchMoments moments(stream, {args.y, args.statistics});
  const RowBlocks& blocks = moments.blocks();
  const std::int64_t step = std::max<std::int64_t>(1, pointwise_rows(to) / blocks.rows());
  parallel_for(stream.threads(), blocks.count(), 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t b = first; b < last; b += step) {
      const std::int64_t next = std::min(b + step, last);
      const std::int64_t begin = blocks.begin(b), end = blocks.end(next - 1);
      if (plus) plus->read(begin, end, y.row(begin), y.ld);
      HWY_DYNAMIC_DISPATCH(multiply)
      ({x.row(begin), x.ld, 1, turned.as(), to, y.row(begin), y.ld, from, plus != nullptr}, end - begin, to);
      for (std::int64_t i = b; i < next; ++i) moments.add(i);
    }
  });
  moments.save();
}

void cpu::pointwise_forward(Stream& stream, const ConvForwardArgs& args, const ConvEpilogue& epilogue,
                            const EnlargedMap* plus) {
  constexpr std::int64_t kGrain = 12;  // rows that a product takes at once
  const std::int64_t from = args.x.c, to = args.y.c, pixels = args.y.pixels();
  const std::int64_t step = pointwise_rows(to) / kGrain * kGrain;
  Tensor turned = args.cache ? args.cache->own : Tensor();
  if (!turned) turned = turned_weights(stream, args.w);
  if (args.cache) args.cache->own = turned;
  const auto x = rows_of<const float>(args.x);
  const Tensor buffers = cpu::scratch_rows(stream, stream.threads(), step * to);
  for_each_thread(stream.threads(), (pixels + kGrain - 1) / kGrain,
                  [&](std::int64_t thread, std::int64_t first, std::int64_t last) {
                    float* const sums = buffers.as() + thread * step * to;
                    const std::int64_t end = std::min(last * kGrain, pixels);
                    for (std::int64_t row = first * kGrain; row < end; row += step) {
                      const std::int64_t rows = std::min(step, end - row);
                      if (plus) plus->read(row, row + rows, sums, to);
                      HWY_DYNAMIC_DISPATCH(multiply)
                      ({x.row(row), x.ld, 1, turned.as(), to, sums, to, from, plus != nullptr}, rows, to);
                      HWY_DYNAMIC_DISPATCH(write_rows)(epilogue, sums, row, rows, to);
                    }
                  });
}

}  // namespace boxcar::kernels
#endif
