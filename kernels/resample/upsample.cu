#include "boxcar/kernels/resample/upsample.h"

#include "boxcar/kernels/common/device_vector.h"
#include "boxcar/kernels/common/row_tiles.h"
#include "boxcar/kernels/norm_act/norm_act_device.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kRowsPerThread = 2;

// Rows of pixels of the small tensor and the square of the large one that belongs to each.
struct Squares {
  std::int64_t rows, width;
  int channels, factor;

  /// Row of pixel (y, x) of the square of small row `row`.
  BOXCAR_DEVICE std::int64_t large_row(std::int64_t row, int y, int x) const {
    return (row / width * factor + y) * width * factor + row % width * factor + x;
  }
};

Squares squares_of(const TensorView& small, int factor) { return {small.pixels(), small.w, small.c, factor}; }

// A thread owns kWidth channels of up to two pixels of x and writes their squares.
template <class T, int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    upsample_forward_kernel(Rows<const T> x, Parts<T, 3> to, Squares squares) {
  const int c = tile_channel<kWidth>();
  if (c >= squares.channels) return;
  for_tile_rows<kRowsPerThread, 1>(squares.rows, [&](std::int64_t r) {
    float v[kWidth];
    load_vector(x.row(r) + c, v);
    for (int tap = 0; tap < squares.factor * squares.factor; ++tap) {
      const std::int64_t row = squares.large_row(r, tap / squares.factor, tap % squares.factor);
#pragma unroll
      for (int d = 0; d < 3; ++d) {
        if (d < to.count && to.part[d].holds(c)) store_vector(to.part[d].at(row, c), v);
      }
    }
  });
}

// A thread owns kWidth channels of up to two pixels of dx. Pieces are added one after the other, squares in row-major
// order.
template <class T, int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    upsample_backward_kernel(Parts<const T, 4> from, Rows<T> dx, Squares squares) {
  const int c = tile_channel<kWidth>();
  if (c >= squares.channels) return;
  for_tile_rows<kRowsPerThread, 1>(squares.rows, [&](std::int64_t r) {
    float sum[kWidth] = {};
#pragma unroll
    for (int p = 0; p < 4; ++p) {
      if (p >= from.count || !from.part[p].holds(c)) continue;
      for (int tap = 0; tap < squares.factor * squares.factor; ++tap) {
        float g[kWidth];
        load_vector(from.part[p].at(squares.large_row(r, tap / squares.factor, tap % squares.factor), c), g);
#pragma unroll
        for (int i = 0; i < kWidth; ++i) sum[i] += g[i];
      }
    }
    store_vector(dx.row(r) + c, sum);
  });
}

int forward_width(const UpsampleForwardArgs& args) {
  int width = args.x.vector_width();
  for (const Destination& d : args.to) width = std::min(width, part_width(d.of, d.to));
  return width;
}

}  // namespace

void upsample_forward(Stream& stream, const UpsampleForwardArgs& args) {
  const Squares squares = squares_of(args.x, args.factor);
  with_device_type("upsample_forward", args.x.dtype, [&]<class T>(T) {
    with_vector_width<T>(forward_width(args), [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      launch("upsample_forward", upsample_forward_kernel<T, kWidth>,
             tile_grid(squares.rows, squares.channels, kWidth, kRowsPerThread), stream, rows_of<const T>(args.x),
             parts_of<T>(args.to), squares);
    });
  });
}

void upsample_backward(Stream& stream, const UpsampleBackwardArgs& args) {
  const Squares squares = squares_of(args.dx, args.factor);
  with_device_type("upsample_backward", args.dx.dtype, [&]<class T>(T) {
    const int width = pieces_width(args.dx.vector_width(), args.from);
    with_vector_width<T>(width, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      launch("upsample_backward", upsample_backward_kernel<T, kWidth>,
             tile_grid(squares.rows, squares.channels, kWidth, kRowsPerThread), stream, parts_of<T>(args.from),
             rows_of<T>(args.dx), squares);
    });
  });
}

}  // namespace boxcar::kernels::cuda
