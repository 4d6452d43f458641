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

std::vector<float> Period::repeated(const float* values) const {
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(size));
  for (std::int64_t i = 0; i < size; i += channels) out.insert(out.end(), values, values + channels);
  return out;
}

NormPattern::NormPattern(const Norm& norm, const float* mean_rstd, std::int64_t channels)
    : period(channels),
      mean(period.repeated(mean_rstd)),
      rstd(period.repeated(mean_rstd + channels)),
      gamma(period.repeated(norm.gamma)),
      beta(period.repeated(norm.beta)) {}

bool has_activation(Act act) {
  return act.kind == ActKind::kIdentity || act.kind == ActKind::kSilu || act.kind == ActKind::kRelu;
}

}  // namespace boxcar::kernels::cpu::simd
