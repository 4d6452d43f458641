#include "boxcar/kernels/render/to_float.h"

#include "boxcar/kernels/common/device_vector.h"
#include "boxcar/kernels/common/row_tiles.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kRowsPerThread = 4;

// A thread owns kWidth bytes of up to four rows.
template <class T, int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    images_to_float_kernel(Rows<const std::uint8_t> x, Rows<T> y, std::int64_t rows, int channels) {
  const int c = tile_channel<kWidth>();
  if (c >= channels) return;
  for_tile_rows<kRowsPerThread, kRowsPerThread>(rows, [&](std::int64_t r) {
    float v[kWidth];
    load_vector(x.row(r) + c, v);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) v[i] /= 255.0f;
    store_vector(y.row(r) + c, v);
  });
}

}  // namespace

void images_to_float(Stream& stream, const ImagesToFloatArgs& args) {
  const TensorView x = recut(args.x), y = recut(args.y);
  const std::int64_t rows = x.pixels();
  with_device_type("images_to_float", y.dtype, [&]<class T>(T) {
    with_vector_width<T>(common_width({x, y}), [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      launch("images_to_float", images_to_float_kernel<T, kWidth>, tile_grid(rows, x.c, kWidth, kRowsPerThread), stream,
             rows_of<const std::uint8_t>(x), rows_of<T>(y), rows, x.c);
    });
  });
}

}  // namespace boxcar::kernels::cuda
