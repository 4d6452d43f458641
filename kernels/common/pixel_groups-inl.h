// Pixels of three bytes from anywhere in an image as vectors of four lanes a pixel; include it as simd-inl.h.
#if defined(BOXCAR_KERNELS_COMMON_PIXEL_GROUPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BOXCAR_KERNELS_COMMON_PIXEL_GROUPS_INL_H_
#undef BOXCAR_KERNELS_COMMON_PIXEL_GROUPS_INL_H_
#else
#define BOXCAR_KERNELS_COMMON_PIXEL_GROUPS_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR
namespace hn = hwy::HWY_NAMESPACE;

/// Pixels that go into one vector.
constexpr int kGroup = HWY_HAVE_SCALABLE ? 1 : std::min(HWY_MAX_BYTES / 16, 4);
template <class T, int kPixels>
using Group = hn::CappedTag<T, 4 * kPixels>;

/// Four bytes each at p[start + offset[0]], p[start + offset[1]], ...
template <int kPixels>
HWY_INLINE auto words(const std::uint8_t* p, std::int64_t start, const std::int32_t* offset) {
  const hn::CappedTag<std::uint32_t, kPixels> d;
  const auto word = [&](int i) HWY_ATTR {
    std::uint32_t bits;
    std::memcpy(&bits, p + (start + offset[i]), sizeof bits);
    return hn::Set(d, bits);
  };
  if constexpr (kPixels == 1) return word(0);
  if constexpr (kPixels == 2) return hn::OddEven(word(1), word(0));
  if constexpr (kPixels == 4) {
    return hn::ConcatLowerLower(d, hn::OddEven(word(3), word(2)), hn::OddEven(word(1), word(0)));
  }
}

/// Pixels at p[start + offset[i]], as numbers; the fourth lane of each has no meaning. A fourth byte is read.
template <int kPixels>
HWY_INLINE auto left_pixels(const std::uint8_t* p, std::int64_t start, const std::int32_t* offset) {
  const Group<std::int32_t, kPixels> d;
  return hn::PromoteTo(d, hn::BitCast(hn::Rebind<std::uint8_t, decltype(d)>(), words<kPixels>(p, start, offset)));
}

/// The pixels after those. Nothing beyond them is read: they may be the last ones of an image.
template <int kPixels>
HWY_INLINE auto right_pixels(const std::uint8_t* p, std::int64_t start, const std::int32_t* offset) {
  const Group<std::int32_t, kPixels> d;
  const auto bytes = hn::ShiftRight<8>(words<kPixels>(p, start + 2, offset));
  return hn::PromoteTo(d, hn::BitCast(hn::Rebind<std::uint8_t, decltype(d)>(), bytes));
}

/// v[0] four times, then v[1] four times, ...; up to four numbers of v are read.
template <int kPixels, class T>
HWY_INLINE auto four_each(const T* v) {
  const Group<T, kPixels> d;
  if constexpr (kPixels == 1) {
    return hn::Set(d, v[0]);
  } else {
    alignas(64) static constexpr std::int32_t kPlaces[16] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    return hn::TableLookupLanes(hn::LoadDup128(d, v), hn::SetTableIndices(d, kPlaces));
  }
}

#endif
}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();
#endif
