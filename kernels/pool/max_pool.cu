#include "boxcar/kernels/pool/max_pool.h"

#include "boxcar/kernels/common/device_vector.h"
#include "boxcar/kernels/common/row_tiles.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kRowsPerThread = 2;

// Sizes of both sides, and the windows that join them.
struct Windows {
  int x_h, x_w, y_h, y_w, channels;
  PoolOptions options;
};

Windows windows_of(const TensorView& x, const TensorView& y, const PoolOptions& options) {
  return {x.h, x.w, y.h, y.w, x.c, options};
}

// The places of one side of a window that lie inside the picture.
struct Inside {
  int begin, end, first;  // first: input of place 0
};
BOXCAR_DEVICE Inside places_inside(int out, int size, const PoolOptions& o) {
  const int first = out * o.stride - o.padding;
  return {max(0, -first), min(o.kernel, size - first), first};
}

// The windows begin..end-1 of one side that hold an input.
struct Holders {
  int begin, end;
};
BOXCAR_DEVICE Holders windows_that_hold(int in, int outputs, const PoolOptions& o) {
  const int padded = in + o.padding, before = padded - o.kernel;  // the last input before the first window
  return {before < 0 ? 0 : before / o.stride + 1, min(padded / o.stride + 1, outputs)};
}

// A thread owns kWidth channels of up to two pixels of y. Of equal values the first in row-major order wins. Winners
// are below 256: exact in the floats that vectors are made of.
template <class T, int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    max_pool_forward_kernel(Rows<const T> x, Rows<T> y, Rows<std::uint8_t> winners, Windows w, std::int64_t rows) {
  const int c = tile_channel<kWidth>();
  if (c >= w.channels) return;
  for_tile_rows<kRowsPerThread, 1>(rows, [&](std::int64_t r) {
    const std::int64_t image_row = r / w.y_w;
    const Inside down = places_inside(static_cast<int>(image_row % w.y_h), w.x_h, w.options);
    const Inside across = places_inside(static_cast<int>(r % w.y_w), w.x_w, w.options);
    const std::int64_t image = image_row / w.y_h * w.x_h;
    float best[kWidth], winner[kWidth];
    load_vector(x.row((image + down.first + down.begin) * w.x_w + across.first + across.begin) + c, best);
#pragma unroll
    for (float& place : winner) place = static_cast<float>(down.begin * w.options.kernel + across.begin);
    for (int ky = down.begin; ky < down.end; ++ky) {
      const std::int64_t from = (image + down.first + ky) * w.x_w + across.first;
      for (int kx = across.begin; kx < across.end; ++kx) {
        float v[kWidth];
        load_vector(x.row(from + kx) + c, v);
#pragma unroll
        for (int i = 0; i < kWidth; ++i) {
          const bool wins = v[i] > best[i] || v[i] != v[i];  // a NaN wins and stays
          best[i] = wins ? v[i] : best[i];
          winner[i] = wins ? static_cast<float>(ky * w.options.kernel + kx) : winner[i];
        }
      }
    }
    store_vector(y.row(r) + c, best);
    if (winners.data) store_vector(winners.row(r) + c, winner);
  });
}

// A thread owns kWidth channels of up to two pixels of dx and gathers from the windows that hold them, in row-major
// order.
template <class T, int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    max_pool_backward_kernel(Rows<const T> dy, Rows<const std::uint8_t> winners, Rows<T> dx, Windows w, bool add,
                             std::int64_t rows) {
  const int c = tile_channel<kWidth>();
  if (c >= w.channels) return;
  for_tile_rows<kRowsPerThread, 1>(rows, [&](std::int64_t r) {
    const std::int64_t image_row = r / w.x_w;
    const int iy = static_cast<int>(image_row % w.x_h), ix = static_cast<int>(r % w.x_w);
    const Holders down = windows_that_hold(iy, w.y_h, w.options), across = windows_that_hold(ix, w.y_w, w.options);
    const int stride = w.options.stride, kernel = w.options.kernel, padding = w.options.padding;
    float sum[kWidth] = {};
    if (add) load_vector(static_cast<const T*>(dx.row(r) + c), sum);
    for (int oy = down.begin; oy < down.end; ++oy) {
      const std::int64_t from = (image_row / w.x_h * w.y_h + oy) * w.y_w;
      const int place_row = (iy + padding - oy * stride) * kernel;
      for (int ox = across.begin; ox < across.end; ++ox) {
        const auto place = static_cast<float>(place_row + ix + padding - ox * stride);
        float g[kWidth], winner[kWidth];
        load_vector(winners.row(from + ox) + c, winner);
        load_vector(dy.row(from + ox) + c, g);
#pragma unroll
        for (int i = 0; i < kWidth; ++i) sum[i] += winner[i] == place ? g[i] : 0.0f;
      }
    }
    store_vector(dx.row(r) + c, sum);
  });
}

// The winners [N,OH,OW,C]; without data where there are none.
TensorView winners_like(const TensorView& y, const std::uint8_t* winners) {
  return {const_cast<std::uint8_t*>(winners), DType::kU8, y.n, y.h, y.w, y.c, y.c};
}

}  // namespace

void max_pool_forward(Stream& stream, const MaxPoolForwardArgs& args) {
  const Windows windows = windows_of(args.x, args.y, args.options);
  const TensorView winners = winners_like(args.y, args.winners);
  const std::int64_t rows = args.y.pixels();
  with_device_type("max_pool_forward", args.x.dtype, [&]<class T>(T) {
    const int width = common_width({args.x, args.y, winners});
    with_vector_width<T>(width, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      launch("max_pool_forward", max_pool_forward_kernel<T, kWidth>, tile_grid(rows, args.y.c, kWidth, kRowsPerThread),
             stream, rows_of<const T>(args.x), rows_of<T>(args.y), rows_of<std::uint8_t>(winners), windows, rows);
    });
  });
}

void max_pool_backward(Stream& stream, const MaxPoolBackwardArgs& args) {
  const Windows windows = windows_of(args.dx, args.dy, args.options);
  const TensorView winners = winners_like(args.dy, args.winners);
  const std::int64_t rows = args.dx.pixels();
  with_device_type("max_pool_backward", args.dx.dtype, [&]<class T>(T) {
    const int width = common_width({args.dx, args.dy, winners});
    with_vector_width<T>(width, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      launch("max_pool_backward", max_pool_backward_kernel<T, kWidth>,
             tile_grid(rows, args.dx.c, kWidth, kRowsPerThread), stream, rows_of<const T>(args.dy),
             rows_of<const std::uint8_t>(winners), rows_of<T>(args.dx), windows, args.mode == GradMode::kAdd, rows);
    });
  });
}

}  // namespace boxcar::kernels::cuda
