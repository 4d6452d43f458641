#include "boxcar/kernels/norm_act/norm_pattern.h"

#include <algorithm>
#include <numeric>

#include "boxcar/kernels/norm_act/norm_act_simd.h"

namespace boxcar::kernels::cpu::simd {
namespace {

constexpr std::int64_t kLanes = 16, kShortestPeriod = 128;

// A sum per place of a short period would wait for the one before it.
std::int64_t period_size(std::int64_t channels) {
  const std::int64_t size = std::lcm(channels, kLanes);
  return size * ((kShortestPeriod + size - 1) / size);
}

}  // namespace

Period::Period(std::int64_t channels_)
    : channels(channels_),
      size(period_size(channels_)),
      chunk_rows(size / channels_ * std::max<std::int64_t>(1, kChunk / size)) {}

float* Period::repeat(const float* values, float* to) const {
  for (std::int64_t i = 0; i < size; i += channels) to = std::copy_n(values, channels, to);
  return to;
}

NormPattern::NormPattern(Stream& stream, const Norm& norm, const float* mean_rstd, std::int64_t channels)
    : period(channels),
      values(static_cast<std::size_t>(3 * period.size), stream.scratch()),
      mean(values.data()),
      scale(mean + period.size),
      beta(scale + period.size) {
  float* const scales = period.repeat(mean_rstd, values.data());
  period.repeat(norm.beta, period.repeat(norm.gamma, scales));
  const float* rstd = mean_rstd + channels;
  for (std::int64_t i = 0; i < period.size; ++i) scales[i] *= rstd[i % channels];
}

bool has_activation(Act act) {
  return act.kind == ActKind::kIdentity || act.kind == ActKind::kSilu || act.kind == ActKind::kRelu;
}

}  // namespace boxcar::kernels::cpu::simd
