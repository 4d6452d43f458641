#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/resample/byte_rows.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include "boxcar/kernels/common/pixel_groups-inl.h"
#include "boxcar/kernels/common/simd-inl.h"
#include "boxcar/kernels/resample/byte_rows.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

void resample_plain(const std::uint8_t* row, int channels, const ColumnTaps& taps, int first, std::int32_t* out) {
  for (int x = first; x < taps.count; ++x) {
    const std::uint8_t* p = row + taps.offset[x];
    for (int c = 0; c < channels; ++c) out[x * channels + c] = taps.left[x] * p[c] + taps.right[x] * p[channels + c];
  }
}

#if HWY_TARGET != HWY_SCALAR

/// Stores the three meaningful lanes of each pixel side by side; the vector's other lanes are written behind them.
template <int kPixels, class V>
HWY_INLINE void store_packed(V value, std::int32_t* to) {
  const Group<std::int32_t, kPixels> d;
  if constexpr (kPixels == 1) {
    hn::StoreU(value, d, to);
  } else {
    alignas(64) static constexpr std::int32_t kPlaces[16] = {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 3, 3, 3};
    alignas(32) static constexpr std::int32_t kPlacesOfTwo[8] = {0, 1, 2, 4, 5, 6, 3, 3};
    hn::StoreU(hn::TableLookupLanes(value, hn::SetTableIndices(d, kPixels == 4 ? kPlaces : kPlacesOfTwo)), d, to);
  }
}

/// Three channels, all columns of whole groups; how many that are.
int resample_groups(const std::uint8_t* row, const ColumnTaps& taps, std::int32_t* out) {
  int x = 0;
  for (; x + kGroup <= taps.count; x += kGroup) {
    const std::int32_t* offset = taps.offset.data() + x;
    const auto left = hn::Mul(four_each<kGroup>(taps.left.data() + x), left_pixels<kGroup>(row, 0, offset));
    const auto right = hn::Mul(four_each<kGroup>(taps.right.data() + x), right_pixels<kGroup>(row, 0, offset));
    store_packed<kGroup>(hn::Add(left, right), out + 3 * x);
  }
  return x;
}

#endif

}  // namespace

void resample_columns(const std::uint8_t* row, int channels, const ColumnTaps& taps, std::int32_t* out) {
  int done = 0;
#if HWY_TARGET != HWY_SCALAR
  if (channels == 3) done = resample_groups(row, taps, out);
#endif
  resample_plain(row, channels, taps, done, out);
}

void blend_byte_rows(const std::int32_t* upper, const std::int32_t* lower, std::int32_t a, std::int32_t b,
                     std::int64_t count, std::uint8_t* out) {
  for_vectors(count, [&](auto d, std::int64_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> di;
    const hn::Rebind<std::uint8_t, decltype(d)> d8;
    const auto share = [&](const std::int32_t* row, std::int32_t weight) HWY_ATTR {
      return hn::ShiftRight<16>(hn::Mul(hn::Set(di, weight), hn::ShiftRight<4>(hn::LoadU(di, row + i))));
    };
    const auto sum = hn::Add(hn::Add(share(upper, a), share(lower, b)), hn::Set(di, 2));
    hn::StoreU(hn::DemoteTo(d8, hn::ShiftRight<2>(sum)), d8, out + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace boxcar::kernels {
namespace {
HWY_EXPORT(resample_columns);
HWY_EXPORT(blend_byte_rows);
}  // namespace

void resample_columns(const std::uint8_t* row, int channels, const ColumnTaps& taps, std::int32_t* out) {
  HWY_DYNAMIC_DISPATCH(resample_columns)(row, channels, taps, out);
}

void blend_byte_rows(const std::int32_t* upper, const std::int32_t* lower, std::int32_t a, std::int32_t b,
                     std::int64_t count, std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(blend_byte_rows)(upper, lower, a, b, count, out);
}

}  // namespace boxcar::kernels
#endif
