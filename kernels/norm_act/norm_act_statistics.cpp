#include "boxcar/kernels/norm_act/norm_act_statistics.h"

#include <cmath>

#include "boxcar/kernels/norm_act/norm_act_math.h"

namespace boxcar::kernels::cpu {

void save_batch_statistics(Stream& stream, const BatchStatisticsArgs& args, const RowBlocks& blocks,
                           std::span<const float> parts) {
  const auto channels = static_cast<std::size_t>(args.z.c);
  // Blocks outside, channels inside: the loop over channels is one for vector instructions.
  std::pmr::vector<float> all(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(2 * channels),
                              stream.scratch());
  float *mean = all.data(), *m2 = mean + channels;
  auto rows = static_cast<float>(blocks.end(0));
  for (std::int64_t b = 1; b < blocks.count(); ++b) {
    const float* part = parts.data() + static_cast<std::size_t>(b) * 2 * channels;
    const auto more = static_cast<float>(blocks.end(b) - blocks.begin(b));
    for (std::size_t c = 0; c < channels; ++c) {
      const Moments moments = merged({rows, mean[c], m2[c]}, {more, part[c], part[channels + c]});
      mean[c] = moments.mean;
      m2[c] = moments.m2;
    }
    rows += more;
  }
  const BatchStatistics& to = args.to;
  for (std::size_t c = 0; c < channels; ++c) {
    to.mean_rstd[c] = mean[c];
    to.mean_rstd[channels + c] = 1.0f / std::sqrt(m2[c] / rows + to.eps);
    if (!to.running_mean) continue;
    to.running_mean[c] += to.momentum * (mean[c] - to.running_mean[c]);
    to.running_var[c] += to.momentum * (m2[c] / (rows - 1) - to.running_var[c]);
  }
}

void save_running_statistics(const NormActForwardArgs& args) {
  const int channels = args.z.c;
  for (int c = 0; c < channels; ++c) {
    args.saved_mean_rstd[c] = args.norm.running_mean[c];
    args.saved_mean_rstd[channels + c] = 1.0f / std::sqrt(args.norm.running_var[c] + args.norm.eps);
  }
}

std::pmr::vector<float> sum_of_parts(Stream& stream, std::span<const float> parts, std::int64_t blocks,
                                     std::size_t width) {
  std::pmr::vector<float> sums(width, stream.scratch());
  for (std::int64_t b = 0; b < blocks; ++b) {
    const float* part = parts.data() + static_cast<std::size_t>(b) * width;
    for (std::size_t i = 0; i < width; ++i) sums[i] += part[i];
  }
  return sums;
}

void write_parameter_grads(const NormActBackwardArgs& args, std::span<const float> sums) {
  const bool add = args.mode == GradMode::kAdd;
  const auto channels = static_cast<std::size_t>(args.z.c);
  for (std::size_t c = 0; c < channels; ++c) {
    if (args.dgamma) args.dgamma[c] = (add ? args.dgamma[c] : 0.0f) + sums[channels + c];
    if (args.dbeta) args.dbeta[c] = (add ? args.dbeta[c] : 0.0f) + sums[c];
  }
}

}  // namespace boxcar::kernels::cpu
