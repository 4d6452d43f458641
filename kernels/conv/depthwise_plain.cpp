#include "boxcar/kernels/conv/depthwise_plain.h"

#include <algorithm>
#include <memory_resource>
#include <vector>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/conv/depthwise_taps.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels::cpu::plain {
namespace {

// Output positions that tap `tap` connects to input `in`; -1 if none.
int output_of(int in, int tap, int out_size, const ConvOptions& o) {
  const int scaled = in + o.padding - tap * o.dilation;
  if (scaled < 0 || scaled % o.stride != 0) return -1;
  const int out = scaled / o.stride;
  return out < out_size ? out : -1;
}

template <class T>
void multiply_add(int channels, const T* a, const T* b, float* sum) {
  for (int c = 0; c < channels; ++c) sum[c] += float(a[c]) * float(b[c]);
}

template <class T>
void forward_row(const ConvForwardArgs& args, int n, int oy, float* sum) {
  const int channels = args.x.c, k = args.options.kernel, d = args.options.dilation;
  const auto x = rows_of<const T>(args.x), w = rows_of<const T>(args.w);
  const auto y = rows_of<T>(args.y);
  const Taps ty = taps_inside(oy, args.x.h, args.options);
  for (int ox = 0; ox < args.y.w; ++ox) {
    const Taps tx = taps_inside(ox, args.x.w, args.options);
    for (int c = 0; c < channels; ++c) sum[c] = args.bias ? args.bias[c] : 0.0f;
    for (int ky = ty.begin; ky < ty.end; ++ky) {
      for (int kx = tx.begin; kx < tx.end; ++kx) {
        const auto from = pixel(args.x, n, ty.first_input + ky * d, tx.first_input + kx * d);
        multiply_add(channels, x.row(from), w.row(ky * k + kx), sum);
      }
    }
    T* to = y.row(pixel(args.y, n, oy, ox));
    for (int c = 0; c < channels; ++c) to[c] = T(sum[c]);
  }
}

template <class T>
void backward_input_row(const ConvBackwardInputArgs& args, int n, int iy, float* sum) {
  const int channels = args.dx.c, k = args.options.kernel;
  const auto dy = rows_of<const T>(args.dy), w = rows_of<const T>(args.w);
  const auto dx = rows_of<T>(args.dx);
  for (int ix = 0; ix < args.dx.w; ++ix) {
    std::fill(sum, sum + channels, 0.0f);
    for (int ky = 0; ky < k; ++ky) {
      const int oy = output_of(iy, ky, args.dy.h, args.options);
      if (oy < 0) continue;
      for (int kx = 0; kx < k; ++kx) {
        const int ox = output_of(ix, kx, args.dy.w, args.options);
        if (ox >= 0) multiply_add(channels, dy.row(pixel(args.dy, n, oy, ox)), w.row(ky * k + kx), sum);
      }
    }
    T* to = dx.row(pixel(args.dx, n, iy, ix));
    for (int c = 0; c < channels; ++c) to[c] = T(sum[c]);
  }
}

// Adds one output row's part of dw (and dbias, the last row of `sums`).
template <class T>
void backward_weight_row(const ConvBackwardWeightArgs& args, int n, int oy, float* sums) {
  const int channels = args.x.c, k = args.options.kernel, d = args.options.dilation;
  const auto x = rows_of<const T>(args.x), dy = rows_of<const T>(args.dy);
  const Taps ty = taps_inside(oy, args.x.h, args.options);
  for (int ox = 0; ox < args.dy.w; ++ox) {
    const Taps tx = taps_inside(ox, args.x.w, args.options);
    const T* g = dy.row(pixel(args.dy, n, oy, ox));
    for (int ky = ty.begin; ky < ty.end; ++ky) {
      for (int kx = tx.begin; kx < tx.end; ++kx) {
        const auto from = pixel(args.x, n, ty.first_input + ky * d, tx.first_input + kx * d);
        multiply_add(channels, g, x.row(from), sums + static_cast<std::int64_t>(ky * k + kx) * channels);
      }
    }
    float* dbias = sums + static_cast<std::int64_t>(k) * k * channels;
    for (int c = 0; c < channels; ++c) dbias[c] += float(g[c]);
  }
}

// Runs body(n, row, scratch of `channels` floats) for every row of every image.
template <class F>
void for_rows(Stream& stream, int images, int rows, std::int64_t scratch, F&& body) {
  parallel_for(stream.threads(), std::int64_t{images} * rows, 1, [&](std::int64_t begin, std::int64_t end) {
    std::pmr::vector<float> sum(static_cast<std::size_t>(scratch), stream.scratch());
    for (std::int64_t i = begin; i < end; ++i) {
      body(static_cast<int>(i / rows), static_cast<int>(i % rows), sum.data());
    }
  });
}

}  // namespace

void depthwise_forward(Stream& stream, const ConvForwardArgs& args) {
  with_float_type("depthwise_forward", args.x.dtype, [&]<class T>(T) {
    for_rows(stream, args.y.n, args.y.h, args.x.c,
             [&](int n, int oy, float* sum) { forward_row<T>(args, n, oy, sum); });
  });
}

void depthwise_backward_input(Stream& stream, const ConvBackwardInputArgs& args) {
  with_float_type("depthwise_backward_input", args.dx.dtype, [&]<class T>(T) {
    for_rows(stream, args.dx.n, args.dx.h, args.dx.c,
             [&](int n, int iy, float* sum) { backward_input_row<T>(args, n, iy, sum); });
  });
}

void depthwise_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args) {
  with_float_type("depthwise_backward_weight", args.x.dtype, [&]<class T>(T) {
    sum_weight_grads(stream, args, [&](int n, int oy, float* sums) { backward_weight_row<T>(args, n, oy, sums); });
  });
}

}  // namespace boxcar::kernels::cpu::plain
