#include "boxcar/kernels/norm_act/batch_statistics.h"

#include "boxcar/kernels/common/channel_sums.h"
#include "boxcar/kernels/common/device_vector.h"
#include "boxcar/kernels/norm_act/batch_statistics_device.h"

namespace boxcar::kernels::cuda {
namespace {

// A thread owns kWidth channels of every blockDim.y-th row of its chunk.
template <class T, int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    batch_statistics_kernel(Rows<const T> z, std::int64_t rows, StatisticsOfChunks statistics) {
  const int c = tile_channel<kWidth>();
  RunningMoments<kWidth> running;
  if (c < statistics.chunks.channels) {
    for_chunk_rows<4>(rows, [&](std::int64_t r) {
      float v[kWidth];
      load_vector(z.row(r) + c, v);
      running.add(v);
    });
  }
  Moments moments[kWidth];
  running.store(moments);
  finish_channel_sums(moments, statistics.chunks,
                      [&](int channel, const Moments& all) { statistics.finish(channel, all); });
}

}  // namespace

void batch_statistics(Stream& stream, const BatchStatisticsArgs& args) {
  const std::int64_t rows = args.z.pixels();
  with_device_type("batch_statistics", args.z.dtype, [&]<class T>(T) {
    with_vector_width<T>(args.z.vector_width(), [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      const ChannelSumsPlan plan(stream, rows, args.z.c, kWidth, sizeof(Moments));
      launch("batch_statistics", batch_statistics_kernel<T, kWidth>, plan.grid(), stream, rows_of<const T>(args.z),
             rows, StatisticsOfChunks{plan.chunks(), args.to});
    });
  });
}

}  // namespace boxcar::kernels::cuda
