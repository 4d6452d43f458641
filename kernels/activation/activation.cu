#include "boxcar/kernels/activation/activation.h"
#include "boxcar/kernels/common/device_vector.h"
#include "boxcar/kernels/common/row_tiles.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kRowsPerThread = 4;

// A thread owns kWidth channels of up to four rows. Arithmetic is float for every T.
template <class T, int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    activation_forward_kernel(Rows<const T> x, Rows<T> y, Act act, std::int64_t rows, int channels) {
  const int c = tile_channel<kWidth>();
  if (c >= channels) return;
  for_tile_rows<kRowsPerThread, 1>(rows, [&](std::int64_t r) {
    float v[kWidth];
    load_vector(x.row(r) + c, v);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) v[i] = activate(act, v[i]);
    store_vector(y.row(r) + c, v);
  });
}

// As above; dx may hold a gradient that is added to.
template <class T, int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    activation_backward_kernel(Rows<const T> x, Rows<const T> dy, Rows<T> dx, Act act, bool add, std::int64_t rows,
                               int channels) {
  const int c = tile_channel<kWidth>();
  if (c >= channels) return;
  for_tile_rows<kRowsPerThread, 1>(rows, [&](std::int64_t r) {
    float v[kWidth], g[kWidth], old[kWidth] = {};
    load_vector(x.row(r) + c, v);
    load_vector(dy.row(r) + c, g);
    if (add) load_vector(static_cast<const T*>(dx.row(r) + c), old);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) g[i] = old[i] + g[i] * activate_grad(act, v[i]);
    store_vector(dx.row(r) + c, g);
  });
}

}  // namespace

void activation_forward(Stream& stream, const ActivationForwardArgs& args) {
  const std::int64_t rows = args.x.pixels();
  const int channels = args.x.c;
  with_device_type("activation_forward", args.x.dtype, [&]<class T>(T) {
    with_vector_width<T>(common_width({args.x, args.y}), [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      launch("activation_forward", activation_forward_kernel<T, kWidth>,
             tile_grid(rows, channels, kWidth, kRowsPerThread), stream, rows_of<const T>(args.x), rows_of<T>(args.y),
             args.act, rows, channels);
    });
  });
}

void activation_backward(Stream& stream, const ActivationBackwardArgs& args) {
  const std::int64_t rows = args.x.pixels();
  const int channels = args.x.c;
  const bool add = args.mode == GradMode::kAdd;
  with_device_type("activation_backward", args.x.dtype, [&]<class T>(T) {
    const int width = common_width({args.x, args.dy, args.dx});
    with_vector_width<T>(width, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      launch("activation_backward", activation_backward_kernel<T, kWidth>,
             tile_grid(rows, channels, kWidth, kRowsPerThread), stream, rows_of<const T>(args.x),
             rows_of<const T>(args.dy), rows_of<T>(args.dx), args.act, add, rows, channels);
    });
  });
}

}  // namespace boxcar::kernels::cuda
