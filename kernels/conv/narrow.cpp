#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/conv/narrow.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include "boxcar/kernels/activation/activation-inl.h"
#include "boxcar/kernels/conv/conv_epilogue.h"
#include "boxcar/kernels/conv/narrow_sums.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

// Asks for what these groups write, and for their share of what the next rows read.
HWY_INLINE void fetch_ahead(const NarrowSums& p, std::int64_t group, std::int64_t count) {
  constexpr std::int64_t kLine = 16;  // floats
  const float* const end = p.next + p.next_size * (group + count) / p.groups;
  for (const float* at = p.next + p.next_size * group / p.groups; at < end; at += kLine) fetch_to_read(at);
  float* const to = p.sums + group * p.width;
  for (std::int64_t i = 0; i < count * p.width; i += kLine) fetch_to_write(to + i);
}

// kGroups results of a vector each: sums over `kernel` rows of x, in the order of rows and then of numbers. With kStep
// known, factors are operands of the multiplication at constant places.
template <int kGroups, int kStep, class D>
HWY_INLINE void sum_groups(D d, const NarrowSums& p, std::int64_t group, std::int64_t column) {
  const std::int64_t step = kStep > 0 ? kStep : p.step;
  hn::Vec<D> sum[kGroups];
  _Pragma("GCC unroll 24") for (int g = 0; g < kGroups; ++g) sum[g] = hn::Zero(d);
  const float* b = p.weights + column;
  for (int row = 0; row < p.kernel; ++row) {
    const float* a = p.rows[row] + group * step;
    for (std::int64_t k = 0; k < p.depth; ++k, ++a, b += p.width) {
      const auto weights = hn::LoadU(d, b);
      _Pragma("GCC unroll 24") for (int g = 0; g < kGroups; ++g) sum[g] =
          hn::MulAdd(hn::Set(d, a[g * step]), weights, sum[g]);
    }
  }
  float* to = p.sums + group * p.width + column;
  _Pragma("GCC unroll 24") for (int g = 0; g < kGroups; ++g, to += p.width) hn::StoreU(sum[g], d, to);
}

// act(sums + bias) of some groups, in place.
template <ActKind kAct>
HWY_INLINE void activate(const NarrowSums& p, std::int64_t group, std::int64_t count) {
  float* values = p.sums + group * p.width;
  for (std::int64_t g = 0; g < count; ++g, values += p.width) {
    for_vectors(p.width, [&](auto d, std::int64_t i) HWY_ATTR {
      store(activated<kAct>(d, hn::Add(load(d, values + i), load(d, p.bias + i))), d, values + i);
    });
  }
}

HWY_INLINE void activate(ActKind act, const NarrowSums& p, std::int64_t group, std::int64_t count) {
  if (!p.bias) return;
  if (act == ActKind::kSilu) return activate<ActKind::kSilu>(p, group, count);
  if (act == ActKind::kRelu) return activate<ActKind::kRelu>(p, group, count);
  activate<ActKind::kIdentity>(p, group, count);
}

template <int kGroups, int kStep>
HWY_INLINE void make_groups(ActKind act, const NarrowSums& p, std::int64_t& group) {
  const Wide d;
  for (; group + kGroups <= p.groups; group += kGroups) {
    fetch_ahead(p, group, kGroups);
    for (std::int64_t column = 0; column < p.width; column += static_cast<std::int64_t>(hn::Lanes(d))) {
      sum_groups<kGroups, kStep>(d, p, group, column);
    }
    activate(act, p, group, kGroups);
  }
}

template <int kStep>
void make_row(ActKind act, const NarrowSums& p) {
  constexpr int kMost = HWY_TARGET <= HWY_AVX3 ? 24 : 12;  // of 32 or 16 registers
  std::int64_t group = 0;
  make_groups<kMost, kStep>(act, p, group);
  make_groups<4, kStep>(act, p, group);
  make_groups<1, kStep>(act, p, group);
}

}  // namespace

// Steps of the usual ones: three channels by two pixels, eight channels, sixteen or eight by two.
void make_row(ActKind act, const NarrowSums& p) {
  switch (p.step) {
    case 6:
      return make_row<6>(act, p);
    case 8:
      return make_row<8>(act, p);
    case 16:
      return make_row<16>(act, p);
    case 32:
      return make_row<32>(act, p);
    default:
      return make_row<0>(act, p);
  }
}

// Pixels of `channels` values, the first of which is pixel `first` of the tensors. Memory is asked for some pixels
// ahead.
void write_pixels(const cpu::ConvEpilogue& epilogue, float* values, std::int64_t first, std::int64_t pixels,
                  std::int64_t channels) {
  constexpr std::int64_t kAhead = 16, kLine = 16;
  if (epilogue.residual) {
    const auto residual = rows_of<const float>(*epilogue.residual);
    for (std::int64_t p = 0; p < pixels; ++p) {
      const float* row = residual.row(first + p);
      for (std::int64_t c = 0; c < channels; c += kLine) fetch_to_read(row + kAhead * residual.ld + c);
      add_row(row, channels, values + p * channels);
    }
  }
  for (const Destination& d : epilogue.to) {
    const auto to = rows_of<float>(d.to);
    for (std::int64_t p = 0; p < pixels; ++p) {
      float* row = to.row(first + p);
      for (std::int64_t c = 0; c < d.of.count; c += kLine) fetch_to_write(row + kAhead * to.ld + c);
      copy_row(values + p * channels + d.of.first, d.of.count, row);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <memory_resource>
#include <tuple>
#include <utility>
#include <vector>

#include "boxcar/kernels/conv/narrow.h"
#include "boxcar/kernels/conv/weight_grad_parts.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace {

HWY_EXPORT(make_row);
HWY_EXPORT(write_pixels);

constexpr int kVector = 16;  // results of a product: they suit every instruction set

// How a convolution becomes products. A group of `pixels` neighbouring results reads `taps` neighbouring pixels of each
// of `kernel` rows of x; groups overlap in a row that is kept with its padding.
struct Geometry {
  ConvOptions options;
  int in, out;         // channels
  int out_width;       // pixels of a row of y
  int pixels;          // of a group: as many as fill a vector
  int taps, groups;    // of a group; of a row
  std::int64_t depth;  // numbers of x that a group reads in a row
  std::int64_t width;  // results of a group

  Geometry(int in_channels, Shape y, const ConvOptions& o)
      : options(o),
        in(in_channels),
        out(y.c),
        out_width(y.w),
        pixels(std::max(1, kVector / y.c)),
        taps(o.kernel + (pixels - 1) * o.stride),
        groups((y.w + pixels - 1) / pixels),
        depth(std::int64_t{taps} * in),
        width(std::int64_t{pixels} * out) {}

  std::int64_t step() const { return std::int64_t{pixels} * options.stride * in; }  // from group to group in a row of x
  std::int64_t row_size() const { return (groups - 1) * step() + depth; }
  std::int64_t weights_size() const { return options.kernel * depth * width; }
};

// Weights of channel c and result o at row and column of the kernel.
struct Weights {
  const float* data;
  std::int64_t out_step, in_step;
  int kernel, channels_together;  // channels between the columns of the kernel
  bool turned;                    // by half a circle

  float operator()(int o, int row, int column, int c) const {
    const int tap = row * kernel + column, last = kernel * kernel - 1;
    return data[o * out_step + c * in_step + std::int64_t{turned ? last - tap : tap} * channels_together];
  }
};

// Matrices [depth, width], one for each row of the kernel: what each number that a group reads gives to its results.
void spread_weights(const Geometry& g, const Weights& w, float* to) {
  std::fill_n(to, g.weights_size(), 0.0f);
  for (int row = 0; row < g.options.kernel; ++row) {
    for (int pixel = 0; pixel < g.pixels; ++pixel) {
      for (int column = 0; column < g.options.kernel; ++column) {
        const int tap = pixel * g.options.stride + column;
        for (int c = 0; c < g.in; ++c) {
          float* const line = to + ((row * g.depth) + tap * g.in + c) * g.width + pixel * g.out;
          for (int o = 0; o < g.out; ++o) line[o] = w(o, row, column, c);
        }
      }
    }
  }
}

// The rows of x that a row of results reads, each with its padding.
class PaddedRows {
 public:
  PaddedRows(const TensorView& x, const Geometry& g, float* memory)
      : x_(x), g_(g), memory_(memory), held_(static_cast<std::size_t>(g.options.kernel), kNone), rows_(held_.size()) {}

  /// Of image n, those that row y of the results reads.
  const float* const* rows(int n, int y) {
    const int first = y * g_.options.stride;  // with the padding above
    for (int row = 0; row < g_.options.kernel; ++row) {
      const auto slot = static_cast<std::size_t>((first + row) % g_.options.kernel);
      float* const place = memory_ + static_cast<std::int64_t>(slot) * g_.row_size();
      const std::int64_t wanted = std::int64_t{n} * (x_.h + 2 * g_.options.padding) + first + row;
      if (held_[slot] != wanted) fill(n, first + row - g_.options.padding, place);
      held_[slot] = wanted;
      rows_[static_cast<std::size_t>(row)] = place;
    }
    return rows_.data();
  }

  /// What the row after y reads besides, as far as x goes.
  std::pair<const float*, std::int64_t> next(int n, int y) const {
    const std::int64_t line = std::int64_t{x_.w} * g_.in, end = (std::int64_t{n} + 1) * x_.h;
    const int row = std::max(0, y * g_.options.stride - g_.options.padding + g_.options.kernel);
    const std::int64_t first = std::int64_t{n} * x_.h + row;
    if (first >= end) return {x_.as(), 0};
    return {x_.as() + first * line, std::min<std::int64_t>(g_.options.stride, end - first) * line};
  }

 private:
  static constexpr std::int64_t kNone = -1;

  void fill(int n, int iy, float* to) const {
    const std::int64_t size = g_.row_size(), before = std::min(size, std::int64_t{g_.options.padding} * g_.in);
    if (iy < 0 || iy >= x_.h) {
      std::fill_n(to, size, 0.0f);
      return;
    }
    const auto rows = rows_of<const float>(x_);
    const float* from = rows.row((std::int64_t{n} * x_.h + iy) * x_.w);
    const std::int64_t count = std::min(std::int64_t{x_.w} * g_.in, size - before);
    std::fill_n(to, before, 0.0f);
    std::copy_n(from, count, to + before);
    std::fill(to + before + count, to + size, 0.0f);
  }

  const TensorView& x_;
  const Geometry& g_;
  float* memory_;
  std::vector<std::int64_t> held_;  // in each place, which row of all images' padded ones
  std::vector<const float*> rows_;
};

// The tensor that takes all results as they are made, if that is all there is to do.
const TensorView* whole_y(const cpu::ConvEpilogue& epilogue, const Geometry& g) {
  const bool whole = epilogue.to.size() == 1 && epilogue.to[0].of == Range{0, g.out} && epilogue.to[0].to.packed();
  return whole && !epilogue.residual && g.out_width % g.pixels == 0 ? &epilogue.to[0].to : nullptr;
}

// y = conv(x) by the matrices of spread_weights().
void convolve(Stream& stream, const TensorView& x, Shape y, const Geometry& g, const float* weights,
              const cpu::ConvEpilogue& epilogue) {
  std::pmr::vector<float> bias(static_cast<std::size_t>(g.width), 0.0f, stream.scratch());
  for (std::size_t i = 0; epilogue.bias && i < bias.size(); ++i) bias[i] = epilogue.bias[i % std::size_t(g.out)];
  const bool plain = !epilogue.bias && epilogue.act == ActKind::kIdentity;
  const std::int64_t results = g.groups * g.width;
  const TensorView* whole = whole_y(epilogue, g);
  const Tensor memory = cpu::scratch_rows(stream, stream.threads(), g.options.kernel * g.row_size() + results);
  for_each_thread(stream.threads(), std::int64_t{y.n} * y.h,
                  [&](std::int64_t thread, std::int64_t first, std::int64_t last) {
                    float* const buffer = memory.as() + thread * memory.shape().c;
                    PaddedRows rows(x, g, buffer + results);
                    for (std::int64_t i = first; i < last; ++i) {
                      const int n = static_cast<int>(i / y.h), row = static_cast<int>(i % y.h);
                      NarrowSums sums{rows.rows(n, row),
                                      g.options.kernel,
                                      g.step(),
                                      g.depth,
                                      weights,
                                      plain ? nullptr : bias.data(),
                                      whole ? whole->as() + i * results : buffer,
                                      g.groups,
                                      g.width};
                      std::tie(sums.next, sums.next_size) = rows.next(n, row);
                      HWY_DYNAMIC_DISPATCH(make_row)(epilogue.act, sums);
                      if (!whole) HWY_DYNAMIC_DISPATCH(write_pixels)(epilogue, buffer, i * y.w, y.w, g.out);
                    }
                  });
}

}  // namespace

bool cpu::suits_narrow(const TensorView& x, const TensorView& y, const ConvOptions& o) {
  const bool channels = (x.c <= 8 && y.c % kVector == 0) || (x.c <= 32 && y.c == 8);
  return x.dtype == DType::kF32 && y.dtype == DType::kF32 && o.groups == 1 && o.dilation == 1 && o.kernel > 1 &&
         channels && x.packed() && x.count() > 0 && y.count() > 0;
}

void cpu::narrow_forward(Stream& stream, const ConvForwardArgs& args, const ConvEpilogue& epilogue) {
  const Geometry g(args.x.c, args.y.shape(), args.options);
  Tensor weights = args.cache ? args.cache->own : Tensor();
  if (!weights) {
    const int kernel = args.options.kernel;
    weights = scratch_rows(stream, kernel * g.depth, g.width);
    spread_weights(g, {args.w.as(), std::int64_t{kernel} * kernel * g.in, 1, kernel, g.in, false}, weights.as());
  }
  if (args.cache) args.cache->own = weights;
  convolve(stream, args.x, args.y.shape(), g, weights.as(), epilogue);
}

bool cpu::suits_narrow_backward_input(const ConvBackwardInputArgs& args) {
  return args.dx.c == 8 && args.options.stride == 1 && args.options.padding < args.options.kernel &&
         suits_narrow(args.dy, args.dx, args.options);
}

// A convolution of dy by the weights turned by half a circle, with what is left of the kernel as padding.
void cpu::narrow_backward_input(Stream& stream, const ConvBackwardInputArgs& args) {
  const int kernel = args.options.kernel, in = args.dx.c;
  ConvOptions options = args.options;
  options.padding = kernel - 1 - options.padding;
  const Geometry g(args.dy.c, args.dx.shape(), options);
  const Tensor weights = scratch_rows(stream, kernel * g.depth, g.width);
  spread_weights(g, {args.w.as(), 1, std::int64_t{kernel} * kernel * in, kernel, in, true}, weights.as());
  convolve(stream, args.dy, args.dx.shape(), g, weights.as(), ConvEpilogue::store(args.dx));
}

}  // namespace boxcar::kernels
#endif
