#include "boxcar/kernels/activation/activation_device.h"
#include "boxcar/kernels/common/channel_sums.h"
#include "boxcar/kernels/norm_act/norm_act_device.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kRowsPerThread = 8;

struct SumsTarget {
  float *mean_g, *mean_g_zhat;  // what the second pass subtracts
  float scale;                  // 1 / rows, or 0 where the statistics are constants
  float *dgamma, *dbeta;
  bool add;
};

BOXCAR_DEVICE void write_gradient(float* gradient, int channel, float value, bool add) {
  if (gradient) gradient[channel] = (add ? gradient[channel] : 0.0f) + value;
}

// First pass: a thread owns kWidth channels of every blockDim.y-th row of its chunk. Where `sum`
// has data, the pieces' sum goes there, and what was rounded to T is what is used.
template <class T, int kWidth, class Activation>
__global__ void __launch_bounds__(kTileThreads)
    norm_act_backward_sums_kernel(Rows<const T> z, NormSource source, Activation act, Parts<const T, 4> from,
                                  Rows<T> sum, std::int64_t rows, int channels, ChunkSums chunks, SumsTarget target) {
  const int c = tile_channel<kWidth>();
  NormSums sums[kWidth];
  if (c < channels) {
    ChannelNorm norms[kWidth];
    load_norms(source, c, norms);
    for_chunk_rows<Activation::kRowsAtOnce>(rows, [&](std::int64_t r) {
      float v[kWidth], g[kWidth];
      load_vector(z.row(r) + c, v);
      load_gradient(from, r, c, g);
      if (sum.data) {
        store_vector(sum.row(r) + c, g);
#pragma unroll
        for (int i = 0; i < kWidth; ++i) g[i] = static_cast<float>(static_cast<T>(g[i]));
      }
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        const float zhat = norms[i].normalized(v[i]);
        g[i] *= act.grad(zhat * norms[i].gamma + norms[i].beta);
        sums[i].g += g[i];
        sums[i].g_zhat += g[i] * zhat;
      }
    });
  }
  finish_channel_sums(sums, chunks, [&](int channel, NormSums all) {
    target.mean_g[channel] = all.g * target.scale;
    target.mean_g_zhat[channel] = all.g_zhat * target.scale;
    write_gradient(target.dgamma, channel, all.g_zhat, target.add);
    write_gradient(target.dbeta, channel, all.g, target.add);
  });
}

// Second pass: a thread owns kWidth channels of up to eight rows. dz may be the only piece.
// `means` [2C] may be null: constants normalise.
template <class T, int kWidth, class Activation>
__global__ void __launch_bounds__(kTileThreads)
    norm_act_backward_kernel(Rows<const T> z, NormSource source, Activation act, Parts<const T, 4> from, Rows<T> dz,
                             const float* means, std::int64_t rows, int channels) {
  const int c = tile_channel<kWidth>();
  if (c >= channels) return;
  ChannelNorm norms[kWidth];
  load_norms(source, c, norms);
  NormSums mean[kWidth];
  if (means) {
#pragma unroll
    for (int i = 0; i < kWidth; ++i) mean[i] = {means[c + i], means[channels + c + i]};
  }
  for_tile_rows<kRowsPerThread, Activation::kRowsAtOnce>(rows, [&](std::int64_t r) {
    float v[kWidth], g[kWidth];
    load_vector(z.row(r) + c, v);
    load_gradient(from, r, c, g);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      const float zhat = norms[i].normalized(v[i]);
      g[i] *= act.grad(zhat * norms[i].gamma + norms[i].beta);
      g[i] = norm_grad(norms[i], zhat, g[i], mean[i]);
    }
    store_vector(dz.row(r) + c, g);
  });
}

// A thread owns kWidth channels of up to eight rows.
template <class T, int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    sum_pieces_kernel(Parts<const T, 4> from, Rows<T> to, std::int64_t rows, int channels) {
  const int c = tile_channel<kWidth>();
  if (c >= channels) return;
  for_tile_rows<kRowsPerThread, 2>(rows, [&](std::int64_t r) {
    float sum[kWidth];
    load_gradient(from, r, c, sum);
    store_vector(to.row(r) + c, sum);
  });
}

NormSource norm_source(const NormActBackwardArgs& args) {
  return {args.saved_mean_rstd, args.saved_mean_rstd + args.z.c, nullptr, args.norm.gamma, args.norm.beta,
          args.norm.eps};
}

template <class T, int kWidth, class Activation>
void backward(Stream& stream, const NormActBackwardArgs& args, Activation act) {
  const std::int64_t rows = args.z.pixels();
  const int channels = args.z.c;
  const auto z = rows_of<const T>(args.z);
  auto from = parts_of<T>(args.from);
  Tensor means;
  if (args.norm.batch_stats || args.dgamma || args.dbeta) {
    const bool store_sum = args.from.size() >= kManyPieces;
    means = Tensor::empty(stream, {1, 1, 2, channels});
    const float scale = args.norm.batch_stats ? 1.0f / static_cast<float>(rows) : 0.0f;
    const SumsTarget target{means.as(), means.as() + channels,      scale, args.dgamma,
                            args.dbeta, args.mode == GradMode::kAdd};
    const ChannelSumsPlan plan(stream, rows, channels, kWidth, sizeof(NormSums));
    launch("norm_act_backward_sums", norm_act_backward_sums_kernel<T, kWidth, Activation>, plan.grid(), stream, z,
           norm_source(args), act, from, store_sum ? rows_of<T>(args.dz) : Rows<T>{nullptr, 0}, rows, channels,
           plan.chunks(), target);
    if (store_sum) from = parts_of<T>(GradPieces{{{0, channels}, args.dz}});
  }
  launch("norm_act_backward", norm_act_backward_kernel<T, kWidth, Activation>,
         tile_grid(rows, channels, kWidth, kRowsPerThread), stream, z, norm_source(args), act, from,
         rows_of<T>(args.dz), means ? means.as() : nullptr, rows, channels);
}

}  // namespace

void norm_act_backward(Stream& stream, const NormActBackwardArgs& args) {
  with_device_type("norm_act_backward", args.z.dtype, [&]<class T>(T) {
    const int width = pieces_width(common_width({args.z, args.dz}), args.from);
    with_vector_width<T>(width, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      with_activation(args.act, [&]<class Activation>(Activation act) { backward<T, kWidth>(stream, args, act); });
    });
  });
}

void sum_pieces(Stream& stream, const SumPiecesArgs& args) {
  const std::int64_t rows = args.to.pixels();
  const int channels = args.to.c;
  with_device_type("sum_pieces", args.to.dtype, [&]<class T>(T) {
    const int width = pieces_width(args.to.vector_width(), args.from);
    with_vector_width<T>(width, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      launch("sum_pieces", sum_pieces_kernel<T, kWidth>, tile_grid(rows, channels, kWidth, kRowsPerThread), stream,
             parts_of<T>(args.from), rows_of<T>(args.to), rows, channels);
    });
  });
}

}  // namespace boxcar::kernels::cuda
