#include "boxcar/kernels/activation/activation_device.h"
#include "boxcar/kernels/common/row_tiles.h"
#include "boxcar/kernels/norm_act/norm_act_device.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kRowsPerThread = 8;

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
