#include "boxcar/kernels/common/copy.h"
#include "boxcar/kernels/common/device_vector.h"
#include "boxcar/kernels/common/row_tiles.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kRowsPerThread = 4;

// A thread owns kWidth channels of up to four rows.
template <class From, class To, int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    copy_kernel(Rows<const From> from, Rows<To> to, std::int64_t rows, int channels) {
  const int c = tile_channel<kWidth>();
  if (c >= channels) return;
  for_tile_rows<kRowsPerThread, kRowsPerThread>(rows, [&](std::int64_t r) {
    float v[kWidth];
    load_vector(from.row(r) + c, v);
    store_vector(to.row(r) + c, v);
  });
}

}  // namespace

void copy(Stream& stream, const CopyArgs& args) {
  const bool packed = args.from.packed() && args.to.packed();
  const TensorView from = packed ? recut(args.from) : args.from, to = packed ? recut(args.to) : args.to;
  const std::int64_t rows = from.pixels();
  with_device_type("copy", from.dtype, [&]<class From>(From) {
    with_device_type("copy", to.dtype, [&]<class To>(To) {
      using Wider = std::conditional_t<(sizeof(From) > sizeof(To)), From, To>;
      with_vector_width<Wider>(common_width({from, to}), [&]<int kWidth>(std::integral_constant<int, kWidth>) {
        launch("copy", copy_kernel<From, To, kWidth>, tile_grid(rows, from.c, kWidth, kRowsPerThread), stream,
               rows_of<const From>(from), rows_of<To>(to), rows, from.c);
      });
    });
  });
}

}  // namespace boxcar::kernels::cuda
