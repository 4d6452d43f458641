#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/attention/softmax.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include <algorithm>

#include "boxcar/kernels/attention/softmax.h"
#include "boxcar/kernels/common/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

constexpr std::int64_t kPlaces = 16;  // sums kept side by side, whatever the instruction set

/// Calls f(tag, i, place) for i from 0 to count; place = i modulo 16.
template <class F>
HWY_INLINE void for_places(std::int64_t count, F&& f) {
  for (std::int64_t i = 0; i < count; i += kPlaces) {
    for_vectors(std::min(kPlaces, count - i), [&](auto d, std::int64_t j) HWY_ATTR { f(d, i + j, j); });
  }
}

float sum_of(const float (&places)[kPlaces]) {
  float sum = 0;
  for (const float place : places) sum += place;
  return sum;
}

float largest(const float* row, std::int64_t width) {
  float places[kPlaces];
  std::fill(places, places + kPlaces, row[0]);
  for_places(width, [&](auto d, std::int64_t i, std::int64_t j) HWY_ATTR {
    hn::StoreU(hn::Max(hn::LoadU(d, places + j), hn::LoadU(d, row + i)), d, places + j);
  });
  return *std::max_element(places, places + kPlaces);
}

}  // namespace

void softmax_in_place(float* row, std::int64_t width) {
  const float top = largest(row, width);
  float sums[kPlaces] = {};
  for_places(width, [&](auto d, std::int64_t i, std::int64_t j) HWY_ATTR {
    const auto lowest = hn::Set(d, -87.0f), x = hn::Sub(hn::LoadU(d, row + i), hn::Set(d, top));
    const auto power = hn::IfThenZeroElse(hn::Lt(x, lowest), exp_in_range(d, hn::Max(x, lowest)));
    const auto e = hn::IfThenElse(hn::IsNaN(x), x, power);
    hn::StoreU(e, d, row + i);
    hn::StoreU(hn::Add(hn::LoadU(d, sums + j), e), d, sums + j);
  });
  const float scale = 1.0f / sum_of(sums);
  for_vectors(width, [&](auto d, std::int64_t i)
                         HWY_ATTR { hn::StoreU(hn::Mul(hn::LoadU(d, row + i), hn::Set(d, scale)), d, row + i); });
}

void softmax_backward(const float* softmax, float* grad, std::int64_t width) {
  float sums[kPlaces] = {};
  for_places(width, [&](auto d, std::int64_t i, std::int64_t j) HWY_ATTR {
    hn::StoreU(hn::MulAdd(hn::LoadU(d, softmax + i), hn::LoadU(d, grad + i), hn::LoadU(d, sums + j)), d, sums + j);
  });
  const float dot = sum_of(sums);
  for_vectors(width, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto centred = hn::Sub(hn::LoadU(d, grad + i), hn::Set(d, dot));
    hn::StoreU(hn::Mul(hn::LoadU(d, softmax + i), centred), d, grad + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace boxcar::kernels {

HWY_EXPORT(softmax_in_place);
HWY_EXPORT(softmax_backward);

void cpu::softmax_row(float* row, std::int64_t width) { HWY_DYNAMIC_DISPATCH(softmax_in_place)(row, width); }

void cpu::softmax_row_backward(const float* softmax, float* grad, std::int64_t width) {
  HWY_DYNAMIC_DISPATCH(softmax_backward)(softmax, grad, width);
}

}  // namespace boxcar::kernels
#endif
