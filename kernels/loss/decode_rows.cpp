#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/loss/decode_rows.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include <algorithm>

#include "boxcar/kernels/common/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

// The sum of e^(raw - max), and of the same times the bin's number.
struct BinSums {
  float all = 0.0f, weighted = 0.0f;
};

// The largest; any number if there is a NaN, which add_bins() hands on.
HWY_INLINE float largest(const float* raw, int bins) {
  const Wide d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  if (bins < lanes) return *std::max_element(raw, raw + bins);
  auto max = hn::LoadU(d, raw + bins - lanes);  // what does not fill a vector is looked at twice
  for (int i = 0; i + lanes < bins; i += lanes) max = hn::Max(max, hn::LoadU(d, raw + i));
  return hn::GetLane(hn::MaxOfLanes(d, max));
}

template <class D>
HWY_INLINE void add_bins(D d, const float* raw, std::int64_t first, float max, BinSums& sums) {
  const auto below = hn::Sub(hn::LoadU(d, raw + first), hn::Set(d, max));
  const auto number = exp_in_range(d, hn::Max(below, hn::Set(d, -87.0f)));
  const auto e = hn::IfThenElse(hn::IsNaN(below), below, number);
  sums.all += hn::GetLane(hn::SumOfLanes(d, e));
  sums.weighted += hn::GetLane(hn::SumOfLanes(d, hn::Mul(e, hn::Iota(d, static_cast<float>(first)))));
}

}  // namespace

void expected_bins(const float* raw, int bins, float* distances) {
  for (int side = 0; side < 4; ++side, raw += bins) {
    const float max = largest(raw, bins);
    BinSums sums;
    for_vectors(bins, [&](auto d, std::int64_t i) HWY_ATTR { add_bins(d, raw, i, max, sums); });
    distances[side] = sums.weighted / sums.all;
  }
}

void sigmoids(const float* z, std::int64_t count, float* to) {
  for_short_vectors(count,
                    [&](auto d, std::int64_t i) HWY_ATTR { hn::StoreU(sigmoid(d, hn::LoadU(d, z + i)), d, to + i); });
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "boxcar/kernels/loss/decode_rows.h"

namespace boxcar::kernels {
namespace {

HWY_EXPORT(expected_bins);
HWY_EXPORT(sigmoids);

}  // namespace

void cpu::expected_bins(const float* raw, int bins, float* distances) {
  HWY_DYNAMIC_DISPATCH(expected_bins)(raw, bins, distances);
}

void cpu::sigmoids(const float* z, std::int64_t count, float* to) { HWY_DYNAMIC_DISPATCH(sigmoids)(z, count, to); }

}  // namespace boxcar::kernels
#endif
