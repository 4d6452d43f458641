#include "boxcar/kernels/resample/rescale.h"

#include <memory_resource>
#include <span>
#include <vector>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/common/rows.h"
#include "boxcar/kernels/resample/rescale_math.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace cpu {
namespace {

std::pmr::vector<LinearTap> taps(Stream& stream, int inputs, int outputs) {
  const float step = static_cast<float>(inputs) / static_cast<float>(outputs);
  std::pmr::vector<LinearTap> all(outputs, stream.scratch());
  for (int i = 0; i < outputs; ++i) all[i] = linear_tap(i, step, inputs);
  return all;
}

template <class T>
void rescale_row(const RescaleArgs& args, std::span<const LinearTap> columns, LinearTap row, std::int64_t image,
                 std::int64_t to_pixel) {
  const auto x = rows_of<const T>(args.x);
  const auto y = rows_of<T>(args.y);
  const std::int64_t upper = (image * args.x.h + row.first) * args.x.w,
                     lower = (image * args.x.h + row.second) * args.x.w;
  for (const LinearTap& column : columns) {
    for (int c = 0; c < args.y.c; ++c) {
      y(to_pixel, c) = T(bilinear_float(float(x(upper + column.first, c)), float(x(upper + column.second, c)),
                                        float(x(lower + column.first, c)), float(x(lower + column.second, c)),
                                        column.share, row.share));
    }
    ++to_pixel;
  }
}

}  // namespace

void rescale_bilinear(Stream& stream, const RescaleArgs& args) {
  const auto columns = taps(stream, args.x.w, args.y.w), rows = taps(stream, args.x.h, args.y.h);
  const std::int64_t height = args.y.h;
  constexpr std::int64_t kGrain = 8;  // rows
  with_float_type("rescale_bilinear", args.x.dtype, [&]<class T>(T) {
    parallel_for(stream.threads(), args.y.n * height, kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        rescale_row<T>(args, columns, rows[r % height], r / height, r * args.y.w);
      }
    });
  });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void rescale_bilinear(Stream& stream, const RescaleArgs& args);
}
#endif

void rescale_bilinear(Stream& stream, const RescaleArgs& args) {
  check_same_dtype("rescale_bilinear", args.x, args.y);
  const auto no_pixels = [](const TensorView& v) { return v.h < 1 || v.w < 1; };
  if (args.x.n != args.y.n || args.x.c != args.y.c || no_pixels(args.x) || no_pixels(args.y)) {
    fail<ShapeError>("rescale_bilinear: {} cannot become {}; only height and width may change, and neither may be 0",
                     args.x.shape().str(), args.y.shape().str());
  }
  BOXCAR_DISPATCH(stream, rescale_bilinear, args);
}

}  // namespace boxcar::kernels
