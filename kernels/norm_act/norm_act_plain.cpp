#include "boxcar/kernels/norm_act/norm_act_plain.h"

#include <memory_resource>
#include <span>
#include <vector>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/norm_act/norm_act_math.h"
#include "boxcar/kernels/norm_act/norm_act_statistics.h"
#include "boxcar/kernels/norm_act/row_blocks.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels::cpu::plain {
namespace {

// Moments of a block's rows for every channel: its mean first, then the distances from it. Their
// sum would be 0 but for rounding: it corrects the mean, which may lie far from zero.
template <class T>
void block_moments(Stream& stream, Rows<const T> z, std::int64_t begin, std::int64_t end, int channels, float* mean,
                   float* m2) {
  for (int c = 0; c < channels; ++c) mean[c] = m2[c] = 0;
  for (std::int64_t r = begin; r < end; ++r) {
    const T* row = z.row(r);
    for (int c = 0; c < channels; ++c) mean[c] += float(row[c]);
  }
  const auto rows = static_cast<float>(end - begin);
  for (int c = 0; c < channels; ++c) mean[c] /= rows;
  std::pmr::vector<float> left(static_cast<std::size_t>(channels), stream.scratch());
  for (std::int64_t r = begin; r < end; ++r) {
    const T* row = z.row(r);
    for (int c = 0; c < channels; ++c) {
      const float d = float(row[c]) - mean[c];
      left[static_cast<std::size_t>(c)] += d;
      m2[c] += d * d;
    }
  }
  for (int c = 0; c < channels; ++c) {
    const float sum = left[static_cast<std::size_t>(c)], correction = sum / rows, excess = sum * correction;
    mean[c] += correction;
    if (excess < m2[c]) m2[c] -= excess;
  }
}

std::pmr::vector<ChannelNorm> channel_norms(Stream& stream, const Norm& norm, const float* mean_rstd, int channels) {
  std::pmr::vector<ChannelNorm> norms(stream.scratch());
  norms.reserve(static_cast<std::size_t>(channels));
  for (int c = 0; c < channels; ++c) {
    norms.push_back({mean_rstd[c], mean_rstd[channels + c], norm.gamma[c], norm.beta[c]});
  }
  return norms;
}

template <class T>
void apply_row(const NormActForwardArgs& args, std::span<const ChannelNorm> norms, std::int64_t r) {
  const T* z = rows_of<const T>(args.z).row(r);
  const T* residual = args.residual ? rows_of<const T>(*args.residual).row(r) : nullptr;
  for (const Destination& d : args.to) {
    T* to = rows_of<T>(d.to).row(r);
    for (int i = 0; i < d.of.count; ++i) {
      const int c = d.of.first + i;
      const float y = activate(args.act, norms[static_cast<std::size_t>(c)](float(z[c])));
      to[i] = T(residual ? y + float(residual[c]) : y);
    }
  }
}

}  // namespace

void batch_statistics(Stream& stream, const BatchStatisticsArgs& args) {
  const int channels = args.z.c;
  const RowBlocks blocks(args.z.pixels(), channels);
  std::pmr::vector<float> parts(static_cast<std::size_t>(blocks.count() * 2 * channels), stream.scratch());
  with_float_type("batch_statistics", args.z.dtype, [&]<class T>(T) {
    const auto z = rows_of<const T>(args.z);
    parallel_for(stream.threads(), blocks.count(), 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t b = first; b < last; ++b) {
        float* part = parts.data() + b * 2 * channels;
        block_moments(stream, z, blocks.begin(b), blocks.end(b), channels, part, part + channels);
      }
    });
  });
  save_batch_statistics(stream, args, blocks, parts);
}

void norm_act_forward(Stream& stream, const NormActForwardArgs& args) {
  with_float_type("norm_act_forward", args.z.dtype, [&]<class T>(T) {
    if (!args.norm.batch_stats) save_running_statistics(args);
    const auto norms = channel_norms(stream, args.norm, args.saved_mean_rstd, args.z.c);
    const RowBlocks blocks(args.z.pixels(), args.z.c);
    parallel_for(stream.threads(), args.z.pixels(), blocks.rows(), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) apply_row<T>(args, norms, r);
    });
  });
}

namespace {

// The sum of a row's gradient pieces, all channels.
template <class T>
void gather_row(const GradPieces& pieces, std::int64_t r, int channels, float* dy) {
  for (int c = 0; c < channels; ++c) dy[c] = 0;
  for (const GradPiece& piece : pieces) {
    const T* from = rows_of<const T>(piece.from).row(r);
    float* to = dy + piece.of.first;
    for (int i = 0; i < piece.of.count; ++i) to[i] += float(from[i]);
  }
}

// g = dy * act'(norm(z)) and z_hat of a row, in place of dy.
template <class T>
void activation_grad_row(const NormActBackwardArgs& args, std::span<const ChannelNorm> norms, std::int64_t r, float* g,
                         float* zhat) {
  const T* z = rows_of<const T>(args.z).row(r);
  for (int c = 0; c < args.z.c; ++c) {
    const ChannelNorm& norm = norms[static_cast<std::size_t>(c)];
    zhat[c] = norm.normalized(float(z[c]));
    g[c] *= activate_grad(args.act, zhat[c] * norm.gamma + norm.beta);
  }
}

// Sums over the batch [2, C]: of g, then of g * z_hat.
template <class T>
std::pmr::vector<float> backward_sums(Stream& stream, const NormActBackwardArgs& args,
                                      std::span<const ChannelNorm> norms) {
  const int channels = args.z.c;
  const auto width = static_cast<std::size_t>(channels);
  const RowBlocks blocks(args.z.pixels(), channels);
  std::pmr::vector<float> parts(static_cast<std::size_t>(blocks.count()) * 2 * width, stream.scratch());
  parallel_for(stream.threads(), blocks.count(), 1, [&](std::int64_t first, std::int64_t last) {
    std::pmr::vector<float> g(width, stream.scratch()), zhat(width, stream.scratch());
    for (std::int64_t b = first; b < last; ++b) {
      float* part = parts.data() + b * 2 * channels;
      for (std::int64_t r = blocks.begin(b); r < blocks.end(b); ++r) {
        gather_row<T>(args.from, r, channels, g.data());
        activation_grad_row<T>(args, norms, r, g.data(), zhat.data());
        for (std::size_t c = 0; c < width; ++c) {
          part[c] += g[c];
          part[width + c] += g[c] * zhat[c];
        }
      }
    }
  });
  return sum_of_parts(stream, parts, blocks.count(), 2 * width);
}

}  // namespace

void norm_act_backward(Stream& stream, const NormActBackwardArgs& args) {
  const auto norms = channel_norms(stream, args.norm, args.saved_mean_rstd, args.z.c);
  with_float_type("norm_act_backward", args.z.dtype, [&]<class T>(T) {
    std::pmr::vector<float> sums = backward_sums<T>(stream, args, norms);
    write_parameter_grads(args, sums);
    const auto pixels = static_cast<float>(args.z.pixels());
    for (float& sum : sums) sum = args.norm.batch_stats ? sum / pixels : 0.0f;
    const auto width = static_cast<std::size_t>(args.z.c);
    const RowBlocks blocks(args.z.pixels(), args.z.c);
    parallel_for(stream.threads(), args.z.pixels(), blocks.rows(), [&](std::int64_t begin, std::int64_t end) {
      std::pmr::vector<float> g(width, stream.scratch()), zhat(width, stream.scratch());
      for (std::int64_t r = begin; r < end; ++r) {
        gather_row<T>(args.from, r, args.z.c, g.data());
        activation_grad_row<T>(args, norms, r, g.data(), zhat.data());
        T* dz = rows_of<T>(args.dz).row(r);
        for (std::size_t c = 0; c < width; ++c)
          dz[c] = T(norm_grad(norms[c], zhat[c], g[c], {sums[c], sums[width + c]}));
      }
    });
  });
}

}  // namespace boxcar::kernels::cpu::plain
