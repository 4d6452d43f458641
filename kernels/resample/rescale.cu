#include "boxcar/kernels/resample/rescale.h"

#include "boxcar/kernels/common/device_vector.h"
#include "boxcar/kernels/common/row_tiles.h"
#include "boxcar/kernels/resample/rescale_math.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kRowsPerThread = 2;

struct Sizes {
  int in_h, in_w, out_h, out_w, channels;
  float step_y, step_x;  // inputs an output
};

// A thread owns kWidth channels of up to two pixels of y.
template <class T, int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    rescale_bilinear_kernel(Rows<const T> x, Rows<T> y, Sizes sizes, std::int64_t rows) {
  const int c = tile_channel<kWidth>();
  if (c >= sizes.channels) return;
  for_tile_rows<kRowsPerThread, 1>(rows, [&](std::int64_t r) {
    const std::int64_t image_row = r / sizes.out_w, image = image_row / sizes.out_h * sizes.in_h;
    const LinearTap down = linear_tap(static_cast<int>(image_row % sizes.out_h), sizes.step_y, sizes.in_h);
    const LinearTap across = linear_tap(static_cast<int>(r % sizes.out_w), sizes.step_x, sizes.in_w);
    const std::int64_t upper = (image + down.first) * sizes.in_w, lower = (image + down.second) * sizes.in_w;
    float p00[kWidth], p01[kWidth], p10[kWidth], p11[kWidth];
    load_vector(x.row(upper + across.first) + c, p00);
    load_vector(x.row(upper + across.second) + c, p01);
    load_vector(x.row(lower + across.first) + c, p10);
    load_vector(x.row(lower + across.second) + c, p11);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      p00[i] = bilinear_float(p00[i], p01[i], p10[i], p11[i], across.share, down.share);
    }
    store_vector(y.row(r) + c, p00);
  });
}

}  // namespace

void rescale_bilinear(Stream& stream, const RescaleArgs& args) {
  const auto step = [](int inputs, int outputs) { return static_cast<float>(inputs) / static_cast<float>(outputs); };
  const Sizes sizes{
      args.x.h, args.x.w, args.y.h, args.y.w, args.y.c, step(args.x.h, args.y.h), step(args.x.w, args.y.w)};
  const std::int64_t rows = args.y.pixels();
  with_device_type("rescale_bilinear", args.x.dtype, [&]<class T>(T) {
    with_vector_width<T>(common_width({args.x, args.y}), [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      launch("rescale_bilinear", rescale_bilinear_kernel<T, kWidth>,
             tile_grid(rows, sizes.channels, kWidth, kRowsPerThread), stream, rows_of<const T>(args.x),
             rows_of<T>(args.y), sizes, rows);
    });
  });
}

}  // namespace boxcar::kernels::cuda
