#include "boxcar/kernels/pool/max_pool_plain.h"

#include <algorithm>
#include <cmath>
#include <memory_resource>
#include <vector>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels::cpu::plain {
namespace {

std::int64_t pixel(const TensorView& t, int n, int y, int x) { return (std::int64_t{n} * t.h + y) * t.w + x; }

template <class T>
void forward_pixel(const MaxPoolForwardArgs& args, int n, int oy, int ox) {
  const auto x = rows_of<const T>(args.x);
  const auto out = pixel(args.y, n, oy, ox);
  T* y = rows_of<T>(args.y).row(out);
  std::uint8_t* winners = args.winners ? args.winners + out * args.y.c : nullptr;
  const int k = args.options.kernel;
  const int top = oy * args.options.stride - args.options.padding,
            left = ox * args.options.stride - args.options.padding;
  bool first = true;
  for (int ky = std::max(0, -top); ky < std::min(k, args.x.h - top); ++ky) {
    for (int kx = std::max(0, -left); kx < std::min(k, args.x.w - left); ++kx) {
      const T* from = x.row(pixel(args.x, n, top + ky, left + kx));
      const auto place = static_cast<std::uint8_t>(ky * k + kx);
      for (int c = 0; c < args.x.c; ++c) {
        const float value = float(from[c]);
        if (!first && !(value > float(y[c])) && !std::isnan(value)) continue;  // a NaN wins and stays
        y[c] = from[c];
        if (winners) winners[c] = place;
      }
      first = false;
    }
  }
}

template <class T>
void backward_pixel(const MaxPoolBackwardArgs& args, int n, int iy, int ix, float* sum) {
  const auto dy = rows_of<const T>(args.dy);
  const int k = args.options.kernel, s = args.options.stride, p = args.options.padding;
  T* dx = rows_of<T>(args.dx).row(pixel(args.dx, n, iy, ix));
  for (int c = 0; c < args.dx.c; ++c) sum[c] = args.mode == GradMode::kAdd ? float(dx[c]) : 0.0f;
  for (int ky = k - 1; ky >= 0; --ky) {
    const int scaled_y = iy + p - ky;
    if (scaled_y < 0 || scaled_y % s != 0 || scaled_y / s >= args.dy.h) continue;
    for (int kx = k - 1; kx >= 0; --kx) {
      const int scaled_x = ix + p - kx;
      if (scaled_x < 0 || scaled_x % s != 0 || scaled_x / s >= args.dy.w) continue;
      const auto out = pixel(args.dy, n, scaled_y / s, scaled_x / s);
      const std::uint8_t* winners = args.winners + out * args.dy.c;
      const T* g = dy.row(out);
      const auto place = static_cast<std::uint8_t>(ky * k + kx);
      for (int c = 0; c < args.dx.c; ++c) sum[c] += winners[c] == place ? float(g[c]) : 0.0f;
    }
  }
  for (int c = 0; c < args.dx.c; ++c) dx[c] = T(sum[c]);
}

}  // namespace

void max_pool_forward(Stream& stream, const MaxPoolForwardArgs& args) {
  with_float_type("max_pool_forward", args.x.dtype, [&]<class T>(T) {
    parallel_for(stream.threads(), std::int64_t{args.y.n} * args.y.h, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        for (int ox = 0; ox < args.y.w; ++ox) {
          forward_pixel<T>(args, static_cast<int>(i / args.y.h), static_cast<int>(i % args.y.h), ox);
        }
      }
    });
  });
}

void max_pool_backward(Stream& stream, const MaxPoolBackwardArgs& args) {
  with_float_type("max_pool_backward", args.dx.dtype, [&]<class T>(T) {
    parallel_for(stream.threads(), std::int64_t{args.dx.n} * args.dx.h, 1, [&](std::int64_t begin, std::int64_t end) {
      std::pmr::vector<float> sum(static_cast<std::size_t>(args.dx.c), stream.scratch());
      for (std::int64_t i = begin; i < end; ++i) {
        for (int ix = 0; ix < args.dx.w; ++ix) {
          backward_pixel<T>(args, static_cast<int>(i / args.dx.h), static_cast<int>(i % args.dx.h), ix, sum.data());
        }
      }
    });
  });
}

}  // namespace boxcar::kernels::cpu::plain
