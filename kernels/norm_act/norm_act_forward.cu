#include "boxcar/kernels/activation/activation_device.h"
#include "boxcar/kernels/common/channel_sums.h"
#include "boxcar/kernels/norm_act/norm_act_device.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kRowsPerThread = 8;

struct StatisticsTarget {
  float *mean, *rstd, *running_mean, *running_var;
  float eps, momentum;
};

// A thread owns kWidth channels of every blockDim.y-th row of its chunk. Moments come from sums
// of distances from the thread's first row, a value near the mean: no cancellation, one pass.
template <class T, int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    batch_statistics_kernel(Rows<const T> z, std::int64_t rows, int channels, float* partial, unsigned* counters,
                            StatisticsTarget target) {
  const int c = tile_channel<kWidth>();
  float origin[kWidth] = {}, sum[kWidth] = {}, squares[kWidth] = {};
  float count = 0;
  if (c < channels) {
    for_chunk_rows<4>(rows, [&](std::int64_t r) {
      float v[kWidth];
      load_vector(z.row(r) + c, v);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        if (count == 0) origin[i] = v[i];
        const float d = v[i] - origin[i];
        sum[i] += d;
        squares[i] += d * d;
      }
      count += 1;
    });
  }
  Moments moments[kWidth];
  if (count > 0) {
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      const float m2 = squares[i] - sum[i] * (sum[i] / count);
      moments[i] = {count, origin[i] + sum[i] / count, m2 < 0 ? 0.0f : m2};  // rounding may go below 0; NaN stays
    }
  }
  finish_channel_sums(moments, channels, partial, counters, [&](int channel, Moments all) {
    target.mean[channel] = all.mean;
    target.rstd[channel] = 1.0f / sqrtf(all.m2 / all.count + target.eps);
    if (!target.running_mean) return;
    float& mean = target.running_mean[channel];
    float& var = target.running_var[channel];
    mean += target.momentum * (all.mean - mean);
    var += target.momentum * (all.m2 / (all.count - 1) - var);
  });
}

// A thread owns kWidth channels of up to eight rows. With running statistics the first row's
// threads save what they normalised with.
template <class T, int kWidth, class Activation>
__global__ void __launch_bounds__(kTileThreads)
    norm_act_forward_kernel(Rows<const T> z, NormSource source, Activation act, Rows<const T> residual, Parts<T, 3> to,
                            float* saved_mean_rstd, std::int64_t rows, int channels) {
  const int c = tile_channel<kWidth>();
  if (c >= channels) return;
  ChannelNorm norms[kWidth];
  load_norms(source, c, norms);
  if (saved_mean_rstd && blockIdx.x == 0 && threadIdx.y == 0) {
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      saved_mean_rstd[c + i] = norms[i].mean;
      saved_mean_rstd[channels + c + i] = norms[i].rstd;
    }
  }
  for_tile_rows<kRowsPerThread, Activation::kRowsAtOnce>(rows, [&](std::int64_t r) {
    float y[kWidth];
    load_vector(z.row(r) + c, y);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) y[i] = act.value(norms[i](y[i]));
    if (residual.data) {
      float add[kWidth];
      load_vector(residual.row(r) + c, add);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) y[i] += add[i];
    }
#pragma unroll
    for (int d = 0; d < 3; ++d) {
      if (d < to.count && to.part[d].holds(c)) store_vector(to.part[d].at(r, c), y);
    }
  });
}

template <class T>
void batch_statistics(Stream& stream, const NormActForwardArgs& args) {
  const std::int64_t rows = args.z.pixels();
  const int channels = args.z.c, width = args.z.vector_width();
  const Norm& norm = args.norm;
  const StatisticsTarget target{
      args.saved_mean_rstd, args.saved_mean_rstd + channels, norm.running_mean, norm.running_var, norm.eps,
      norm.momentum};
  const ChannelSumsPlan plan(stream, rows, channels, width, sizeof(Moments));
  with_vector_width<T>(width, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
    launch("batch_statistics", batch_statistics_kernel<T, kWidth>, plan.grid(), stream, rows_of<const T>(args.z), rows,
           channels, plan.partial(), plan.counters(), target);
  });
}

NormSource norm_source(const NormActForwardArgs& args) {
  const Norm& norm = args.norm;
  if (!norm.batch_stats) return {norm.running_mean, nullptr, norm.running_var, norm.gamma, norm.beta, norm.eps};
  return {args.saved_mean_rstd, args.saved_mean_rstd + args.z.c, nullptr, norm.gamma, norm.beta, norm.eps};
}

int forward_width(const NormActForwardArgs& args) {
  int width = common_width({args.z, args.residual.value_or(args.z)});
  for (const Destination& d : args.to) width = std::min(width, part_width(d.of, d.to));
  return width;
}

}  // namespace

void norm_act_forward(Stream& stream, const NormActForwardArgs& args) {
  const std::int64_t rows = args.z.pixels();
  const int channels = args.z.c;
  const bool batch_stats = args.norm.batch_stats;
  with_device_type("norm_act_forward", args.z.dtype, [&]<class T>(T) {
    if (batch_stats) batch_statistics<T>(stream, args);
    const Rows<const T> residual = args.residual ? rows_of<const T>(*args.residual) : Rows<const T>{nullptr, 0};
    with_vector_width<T>(forward_width(args), [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      with_activation(args.act, [&]<class Activation>(Activation act) {
        launch("norm_act_forward", norm_act_forward_kernel<T, kWidth, Activation>,
               tile_grid(rows, channels, kWidth, kRowsPerThread), stream, rows_of<const T>(args.z), norm_source(args),
               act, residual, parts_of<T>(args.to), batch_stats ? nullptr : args.saved_mean_rstd, rows, channels);
      });
    });
  });
}

}  // namespace boxcar::kernels::cuda
