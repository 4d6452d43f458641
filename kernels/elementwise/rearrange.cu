#include "boxcar/kernels/elementwise/rearrange.h"

#include "boxcar/kernels/common/device_vector.h"
#include "boxcar/kernels/common/row_tiles.h"
#include "boxcar/kernels/elementwise/rearrange_strided.h"
#include "boxcar/kernels/elementwise/strided_device.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kRowsPerThread = 4;

// A thread owns one element.
__global__ void __launch_bounds__(kWalkThreads) copy_strided_kernel(StridedWalk<2> from_to) {
  float* at[2];
  if (from_to.find(at)) *at[1] = *at[0];
}

void copy_strided(Stream& stream, const Strided& from, const Strided& to) {
  const StridedWalk<2> walk(from, to);
  launch("copy_strided", copy_strided_kernel, walk.grid(), stream, walk);
}

// x: tables of `table` rows; y: `picked` rows of each.
struct GatherSizes {
  int table, picked, channels;
  std::int64_t result;  // rows that are written, of all tables
};

// A thread owns kWidth channels of up to four rows of y.
template <int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    gather_kernel(Rows<const float> x, const std::int32_t* rows, Rows<float> y, GatherSizes sizes) {
  const int c = tile_channel<kWidth>();
  if (c >= sizes.channels) return;
  for_tile_rows<kRowsPerThread, 1>(sizes.result, [&](std::int64_t r) {
    float v[kWidth];
#pragma unroll
    for (int i = 0; i < kWidth; ++i) v[i] = __int_as_float(0x7fc00000);  // NaN
    const std::int32_t row = rows[r];
    if (row >= 0 && row < sizes.table) load_vector(x.row(r / sizes.picked * sizes.table + row) + c, v);
    store_vector(y.row(r) + c, v);
  });
}

// A thread owns kWidth channels of up to four rows of dx and looks for them among the picked rows of their table: sums
// are in the order of these. Four blocks at once are enough: for eight the compiler would spill.
template <int kWidth>
__global__ void __launch_bounds__(kTileThreads, 4)
    gather_backward_kernel(Rows<const float> dy, const std::int32_t* rows, Rows<float> dx, GatherSizes sizes) {
  const int c = tile_channel<kWidth>();
  if (c >= sizes.channels) return;
  for_tile_rows<kRowsPerThread, 1>(sizes.result, [&](std::int64_t r) {
    const std::int64_t table = r / sizes.table, first = table * sizes.picked;
    const auto row = static_cast<std::int32_t>(r - table * sizes.table);
    float sum[kWidth] = {};
#pragma unroll 2  // more would not fit the registers
    for (int k = 0; k < sizes.picked; ++k) {
      if (rows[first + k] != row) continue;
      float g[kWidth];
      load_vector(dy.row(first + k) + c, g);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) sum[i] += g[i];
    }
    store_vector(dx.row(r) + c, sum);
  });
}

}  // namespace

void permute(Stream& stream, const PermuteArgs& args) { copy_strided(stream, turned(args), strided(args.to)); }

void slice_out(Stream& stream, const SliceArgs& args) { copy_strided(stream, sliced(args), strided(args.part)); }

void slice_in(Stream& stream, const SliceArgs& args) { copy_strided(stream, strided(args.part), sliced(args)); }

void gather(Stream& stream, const GatherArgs& args) {
  const GatherSizes sizes{args.x.w, args.rows.w, args.x.c, args.y.pixels()};
  with_vector_width<float>(common_width({args.x, args.y}), [&]<int kWidth>(std::integral_constant<int, kWidth>) {
    launch("gather", gather_kernel<kWidth>, tile_grid(sizes.result, sizes.channels, kWidth, kRowsPerThread), stream,
           rows_of<const float>(args.x), args.rows.as<const std::int32_t>(), rows_of<float>(args.y), sizes);
  });
}

void gather_backward(Stream& stream, const GatherBackwardArgs& args) {
  const GatherSizes sizes{args.dx.w, args.rows.w, args.dx.c, args.dx.pixels()};
  with_vector_width<float>(common_width({args.dx, args.dy}), [&]<int kWidth>(std::integral_constant<int, kWidth>) {
    launch("gather_backward", gather_backward_kernel<kWidth>,
           tile_grid(sizes.result, sizes.channels, kWidth, kRowsPerThread), stream, rows_of<const float>(args.dy),
           args.rows.as<const std::int32_t>(), rows_of<float>(args.dx), sizes);
  });
}

}  // namespace boxcar::kernels::cuda
