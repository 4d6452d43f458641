#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/conv/depthwise.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include <algorithm>

#include "boxcar/kernels/activation/activation-inl.h"
#include "boxcar/kernels/conv/depthwise_taps.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

using cpu::pixel;
using cpu::Taps;

// One output pixel: the taps ty x tx of any filter.
template <ActKind kAct, class T>
void output_pixel(const ConvForwardArgs& args, Taps ty, Taps tx, const T* image, T* y) {
  const std::int64_t channels = args.x.c, ld = args.x.ld;
  const int k = args.options.kernel, dilation = args.options.dilation;
  const T* w = args.w.as<const T>();
  for_short_vectors(channels, [&](auto d, std::int64_t c) HWY_ATTR {
    auto sum = args.bias ? hn::LoadU(d, args.bias + c) : hn::Zero(d);
    for (int ky = ty.begin; ky < ty.end; ++ky) {
      const std::int64_t row = std::int64_t{ty.first_input + ky * dilation} * args.x.w;
      for (int kx = tx.begin; kx < tx.end; ++kx) {
        const T* x = image + (row + tx.first_input + kx * dilation) * ld + c;
        sum = hn::MulAdd(load(d, x), load(d, w + (ky * k + kx) * channels + c), sum);
      }
    }
    store(activated<kAct>(d, sum), d, y + c);
  });
}

// Four neighbours whose 3x3 taps are all inside: x points to the first tap of the first.
template <ActKind kAct, class T>
void four_pixels_3x3(const ConvForwardArgs& args, const T* x, T* y) {
  const std::int64_t channels = args.x.c, ld = args.x.ld, across = args.options.dilation * ld, to = args.y.ld;
  const std::int64_t next = args.options.stride * ld, down = across * args.x.w;
  const T* w = args.w.as<const T>();
  for_short_vectors(channels, [&](auto d, std::int64_t c) HWY_ATTR {
    auto sum0 = args.bias ? hn::LoadU(d, args.bias + c) : hn::Zero(d);
    auto sum1 = sum0, sum2 = sum0, sum3 = sum0;
    for (int ky = 0; ky < 3; ++ky) {
      const T *from = x + ky * down + c, *weights = w + 3 * ky * channels + c;
      for (int kx = 0; kx < 3; ++kx, from += across, weights += channels) {
        const auto weight = load(d, weights);
        sum0 = hn::MulAdd(load(d, from), weight, sum0);
        sum1 = hn::MulAdd(load(d, from + next), weight, sum1);
        sum2 = hn::MulAdd(load(d, from + 2 * next), weight, sum2);
        sum3 = hn::MulAdd(load(d, from + 3 * next), weight, sum3);
      }
    }
    store(activated<kAct>(d, sum0), d, y + c);
    store(activated<kAct>(d, sum1), d, y + to + c);
    store(activated<kAct>(d, sum2), d, y + 2 * to + c);
    store(activated<kAct>(d, sum3), d, y + 3 * to + c);
  });
}

bool all_inside(Taps taps, int kernel) { return taps.begin == 0 && taps.end == kernel; }

template <ActKind kAct, class T>
void forward_row(const ConvForwardArgs& args, int n, int oy) {
  const ConvOptions& o = args.options;
  const T* image = rows_of<const T>(args.x).row(pixel(args.x, n, 0, 0));
  T* y = rows_of<T>(args.y).row(pixel(args.y, n, oy, 0));
  const Taps ty = cpu::taps_inside(oy, args.x.h, o);
  for (int ox = 0; ox < args.y.w;) {
    const Taps tx = cpu::taps_inside(ox, args.x.w, o);
    const bool four = o.kernel == 3 && ox + 4 <= args.y.w && all_inside(ty, 3) && all_inside(tx, 3) &&
                      all_inside(cpu::taps_inside(ox + 3, args.x.w, o), 3);
    T* to = y + std::int64_t{ox} * args.y.ld;
    if (four) {
      four_pixels_3x3<kAct>(args, image + (std::int64_t{ty.first_input} * args.x.w + tx.first_input) * args.x.ld, to);
    } else {
      output_pixel<kAct>(args, ty, tx, image, to);
    }
    ox += four ? 4 : 1;
  }
}

template <class T>
void forward_row(const ConvForwardArgs& args, int n, int oy) {
  switch (args.act.kind) {
    case ActKind::kSilu:
      return forward_row<ActKind::kSilu, T>(args, n, oy);
    case ActKind::kRelu:
      return forward_row<ActKind::kRelu, T>(args, n, oy);
    default:
      return forward_row<ActKind::kIdentity, T>(args, n, oy);
  }
}

// Adds to sums [3, C] what one row of a 3x3 filter gets from the outputs begin..end of a row, all taps inside;
// x: the first tap of output `begin`.
template <class T>
void add_filter_row(const ConvBackwardWeightArgs& args, const T* x, const T* dy, int count, float* sums) {
  const std::int64_t channels = args.x.c, ld = args.x.ld, across = args.options.dilation * ld;
  const std::int64_t next = args.options.stride * ld;
  for_short_vectors(channels, [&](auto d, std::int64_t c) HWY_ATTR {
    auto sum0 = hn::LoadU(d, sums + c), sum1 = hn::LoadU(d, sums + channels + c);
    auto sum2 = hn::LoadU(d, sums + 2 * channels + c);
    const T *from = x + c, *gradient = dy + c;
    for (int i = 0; i < count; ++i, from += next, gradient += channels) {
      const auto g = load(d, gradient);
      sum0 = hn::MulAdd(g, load(d, from), sum0);
      sum1 = hn::MulAdd(g, load(d, from + across), sum1);
      sum2 = hn::MulAdd(g, load(d, from + 2 * across), sum2);
    }
    hn::StoreU(sum0, d, sums + c);
    hn::StoreU(sum1, d, sums + channels + c);
    hn::StoreU(sum2, d, sums + 2 * channels + c);
  });
}

template <class T>
void multiply_add(std::int64_t count, const T* a, const T* b, float* sums) {
  for_short_vectors(count, [&](auto d, std::int64_t i) HWY_ATTR {
    hn::StoreU(hn::MulAdd(load(d, a + i), load(d, b + i), hn::LoadU(d, sums + i)), d, sums + i);
  });
}

// One row of the filter, taps of one input row: outputs at the border one by one, the others together.
template <class T>
void weight_row(const ConvBackwardWeightArgs& args, const T* x_row, const T* dy_row, float* sums) {
  const ConvOptions& o = args.options;
  const std::int64_t channels = args.x.c;
  for (int ox = 0; ox < args.dy.w;) {
    const Taps tx = cpu::taps_inside(ox, args.x.w, o);
    const T* dy = dy_row + std::int64_t{ox} * channels;
    if (o.kernel == 3 && all_inside(tx, 3)) {
      const int last = (args.x.w - 1 - 2 * o.dilation - tx.first_input) / o.stride;  // further outputs that fit, too
      const int count = std::min(last + 1, args.dy.w - ox);
      add_filter_row(args, x_row + std::int64_t{tx.first_input} * args.x.ld, dy, count, sums);
      ox += count;
      continue;
    }
    for (int kx = tx.begin; kx < tx.end; ++kx) {
      const T* x = x_row + std::int64_t{tx.first_input + kx * o.dilation} * args.x.ld;
      multiply_add(channels, dy, x, sums + kx * channels);
    }
    ++ox;
  }
}

template <class T>
void backward_weight_row(const ConvBackwardWeightArgs& args, int n, int oy, float* sums) {
  const std::int64_t channels = args.x.c;
  const int k = args.options.kernel;
  const Taps ty = cpu::taps_inside(oy, args.x.h, args.options);
  const T* dy = rows_of<const T>(args.dy).row(pixel(args.dy, n, oy, 0));
  for (int ky = ty.begin; ky < ty.end; ++ky) {
    const std::int64_t row = pixel(args.x, n, ty.first_input + ky * args.options.dilation, 0);
    weight_row(args, rows_of<const T>(args.x).row(row), dy, sums + ky * k * channels);
  }
  for (int ox = 0; args.dbias && ox < args.dy.w; ++ox) add_row(dy + ox * channels, channels, sums + k * k * channels);
}

}  // namespace

void depthwise_forward_row(const ConvForwardArgs& args, int n, int oy) {
  args.x.dtype == DType::kF32 ? forward_row<float>(args, n, oy) : forward_row<bfloat16>(args, n, oy);
}

void depthwise_weight_row(const ConvBackwardWeightArgs& args, int n, int oy, float* sums) {
  args.x.dtype == DType::kF32 ? backward_weight_row<float>(args, n, oy, sums)
                              : backward_weight_row<bfloat16>(args, n, oy, sums);
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/conv/depthwise.h"
#include "boxcar/kernels/conv/depthwise_plain.h"

namespace boxcar::kernels {
namespace {

HWY_EXPORT(depthwise_forward_row);
HWY_EXPORT(depthwise_weight_row);

// The filters [k*k, C] turned by 180 degrees.
Tensor turned(Stream& stream, const TensorView& w) {
  const Tensor out = Tensor::empty(stream, w.shape(), w.dtype);
  const std::int64_t taps = std::int64_t{w.h} * w.w;
  const auto bytes = static_cast<std::int64_t>(size_of(w.dtype)) * w.c;
  for (std::int64_t tap = 0; tap < taps; ++tap) {
    std::copy_n(w.as<const char>() + tap * bytes, bytes, out.as<char>() + (taps - 1 - tap) * bytes);
  }
  return out;
}

}  // namespace

void cpu::depthwise_forward(Stream& stream, const ConvForwardArgs& args) {
  with_float_type("depthwise_forward", args.x.dtype, [](auto) {});  // refuses other types
  parallel_for(stream.threads(), std::int64_t{args.y.n} * args.y.h, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      HWY_DYNAMIC_DISPATCH(depthwise_forward_row)(args, static_cast<int>(i / args.y.h), static_cast<int>(i % args.y.h));
    }
  });
}

// With stride 1 the adjoint is a convolution of dy with the turned filters.
void cpu::depthwise_backward_input(Stream& stream, const ConvBackwardInputArgs& args) {
  ConvOptions options = args.options;
  options.padding = options.dilation * (options.kernel - 1) - options.padding;
  if (options.stride != 1 || options.padding < 0) return plain::depthwise_backward_input(stream, args);
  depthwise_forward(stream, {args.dy, turned(stream, args.w), nullptr, args.dx, options});
}

void cpu::depthwise_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args) {
  with_float_type("depthwise_backward_weight", args.x.dtype, [](auto) {});  // refuses other types
  sum_weight_grads(stream, args, [&](int n, int oy, float* sums) {
    HWY_DYNAMIC_DISPATCH(depthwise_weight_row)(args, n, oy, sums);
  });
}

}  // namespace boxcar::kernels
#endif
