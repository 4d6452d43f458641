// Vector helpers of the CPU kernels, compiled once for each instruction set: include it after
// hwy/foreach_target.h, in a file that does the same.
//
// Every operation here works lane by lane and multiplies and adds in one rounding where the
// instruction set can, so AVX2 and AVX-512 give the same bits; older ones round twice.
#if defined(BOXCAR_KERNELS_COMMON_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BOXCAR_KERNELS_COMMON_SIMD_INL_H_
#undef BOXCAR_KERNELS_COMMON_SIMD_INL_H_
#else
#define BOXCAR_KERNELS_COMMON_SIMD_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cstdint>

#include "boxcar/kernels/common/bf16_instructions.h"
#include "boxcar/runtime/base/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// At most 16 floats, so that what repeats every 16 floats suits every instruction set.
using Wide = hn::CappedTag<float, 16>;
using Four = hn::CappedTag<float, 4>;
using One = hn::CappedTag<float, 1>;

template <class D>
HWY_INLINE hn::Vec<D> load(D d, const float* from) {
  return hn::LoadU(d, from);
}
template <class D>
HWY_INLINE hn::Vec<D> load(D d, const bfloat16* from) {
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::PromoteTo(du, hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(from)));
  return hn::BitCast(d, hn::ShiftLeft<16>(bits));
}

template <class D>
HWY_INLINE void store(hn::Vec<D> value, D d, float* to) {
  hn::StoreU(value, d, to);
}

/// The bits of the nearest bf16, ties to even; NaN stays NaN.
template <class D>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> bf16_bits(D, hn::Vec<D> value) {
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, value), upper = hn::ShiftRight<16>(bits);
  const auto odd = hn::And(upper, hn::Set(du, 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(hn::Set(du, 0x7fffu), odd)));
  const auto nan = hn::RebindMask(du, hn::IsNaN(value));
  return hn::IfThenElse(nan, hn::Or(upper, hn::Set(du, 0x40u)), rounded);
}
/// Rounded to the precision of bf16.
template <class D>
HWY_INLINE hn::Vec<D> rounded_to_bf16(D d, hn::Vec<D> value) {
  return hn::BitCast(d, hn::ShiftLeft<16>(bf16_bits(d, value)));
}

/// Rounds as bf16_bits(); but CPUs that have an instruction for it take numbers below 1.2e-38 for 0.
template <class D>
HWY_INLINE void store(hn::Vec<D> value, D d, bfloat16* to) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (hn::MaxLanes(D()) == 16) {
    if (uses_bf16_instructions) {
      __m256i rounded;  // in assembly, as the target does not include the instruction
      asm("vcvtneps2bf16 %1, %0" : "=v"(rounded) : "v"(value.raw));
      return _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), rounded);
    }
  }
#endif
  const hn::Rebind<std::uint16_t, D> d16;
  hn::StoreU(hn::TruncateTo(d16, bf16_bits(d, value)), d16, reinterpret_cast<std::uint16_t*>(to));
}

/// Asks for memory that will be read, or written, some loops later: the processor does not foresee it while it
/// computes, nor where rows lie apart. Any address is allowed.
template <class T>
HWY_INLINE void fetch_to_read(const T* place) {
  hwy::Prefetch(place);
}
template <class T>
HWY_INLINE void fetch_to_write(T* place) {
  __builtin_prefetch(place, 1);
}

/// Calls f(tag, i) for whole vectors from 0, then for single elements up to `count`.
template <class F>
HWY_INLINE void for_vectors(std::int64_t count, F&& f) {
  const Wide wide;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(wide));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) f(wide, i);
  for (; i < count; ++i) f(One(), i);
}

/// The same with vectors of four between, for rows that may be shorter than a vector.
template <class F>
HWY_INLINE void for_short_vectors(std::int64_t count, F&& f) {
  const Wide wide;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(wide));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) f(wide, i);
  for (; i + 4 <= count; i += 4) f(Four(), i);
  for (; i < count; ++i) f(One(), i);
}

template <class From, class To>
HWY_INLINE void copy_row(const From* from, std::int64_t count, To* to) {
  for_short_vectors(count, [&](auto d, std::int64_t i) HWY_ATTR { store(load(d, from + i), d, to + i); });
}

template <class From>
HWY_INLINE void add_row(const From* from, std::int64_t count, float* to) {
  for_short_vectors(count, [&](auto d, std::int64_t i)
                               HWY_ATTR { hn::StoreU(hn::Add(hn::LoadU(d, to + i), load(d, from + i)), d, to + i); });
}

/// From 2^(j / 8) for j = i mod 8, less j at the bit where the exponent's last eighth would be: adding i << 20 to these
/// bits gives 2^(i / 8).
template <class D>
HWY_INLINE hn::Vec<D> eighths_of_powers(D d, hn::Vec<hn::RebindToSigned<D>> i) {
  alignas(64) static constexpr std::uint32_t kBits[16] = {
      0x3f800000, 0x3f7b95c2, 0x3f7837f0, 0x3f75fed7, 0x3f7504f3, 0x3f75672a, 0x3f7744fd, 0x3f7ac0c7,
      0x3f800000, 0x3f7b95c2, 0x3f7837f0, 0x3f75fed7, 0x3f7504f3, 0x3f75672a, 0x3f7744fd, 0x3f7ac0c7};
  const auto* const table = reinterpret_cast<const float*>(kBits);
  const auto place = hn::And(i, hn::Set(hn::RebindToSigned<D>(), 7));
  if constexpr (HWY_TARGET <= HWY_AVX2 && hn::MaxLanes(D()) >= 8) {
    return hn::TableLookupLanes(hn::LoadU(d, table), hn::IndicesFromVec(d, place));
  } else {
    return hn::GatherIndex(d, table, place);
  }
}

/// e^(kSign * x) for -87 <= kSign * x <= 88: within 2 units in the last place where |x| <= 20, within 5 beyond.
/// kSign * x = i / 8 ln 2 + r with |r| <= ln 2 / 16, 2^(i / 8) from a table (Tang, "Table-driven implementation of the
/// exponential function", 1989), e^r by the polynomial of degree 3 that is nearest in relative error (3e-8).
template <int kSign = 1, class D>
HWY_INLINE hn::Vec<D> exp_in_range(D d, hn::Vec<D> x) {
  static_assert(kSign == 1 || kSign == -1);
  constexpr float kOdd = kSign;                    // `r` below is kSign * r: its odd powers have the sign
  constexpr bool kFused = HWY_TARGET <= HWY_AVX2;  // then the product with ln 2 is exact
  const hn::RebindToSigned<D> di;
  const auto to_eighths = hn::Set(d, 1572864.0f);  // 1.5 * 2^20: the sum's last bit is worth 1/8
  const auto shifted = hn::MulAdd(x, hn::Set(d, kOdd * 1.44269504088896341f), to_eighths);
  const auto n = hn::Sub(shifted, to_eighths);
  auto r = hn::NegMulAdd(n, hn::Set(d, kOdd * (kFused ? 0.693147180559945309f : 0.693359375f)), x);
  if constexpr (!kFused) r = hn::NegMulAdd(n, hn::Set(d, kOdd * -2.12194440e-4f), r);
  const auto i = hn::BitCast(di, shifted);
  const auto table = hn::BitCast(di, eighths_of_powers(d, i));
  const auto power = hn::BitCast(d, hn::Add(table, hn::ShiftLeft<20>(i)));
  const auto r2 = hn::Mul(r, r), q = hn::MulAdd(hn::Set(d, kOdd * 0.1666778f), r, hn::Set(d, 0.500064782f));
  const auto p = kSign > 0 ? hn::MulAdd(q, r2, r) : hn::MulSub(q, r2, r);
  return hn::MulAdd(power, p, power);
}

/// 1 / (1 + e^-x); 0 below -87 and for NaN.
template <class D>
HWY_INLINE hn::Vec<D> sigmoid(D d, hn::Vec<D> x) {
  const auto limit = hn::Set(d, 87.0f), one = hn::Set(d, 1.0f);
  const auto s = hn::Div(one, hn::Add(one, exp_in_range<-1>(d, hn::Min(x, limit))));
  return hn::IfThenElseZero(hn::Ge(x, hn::Neg(limit)), s);
}

/// x / (1 + e^-x); 0 below -87, NaN for NaN.
template <class D>
HWY_INLINE hn::Vec<D> silu(D d, hn::Vec<D> x) {
  const auto limit = hn::Set(d, 87.0f);
  const auto y = hn::Div(x, hn::Add(hn::Set(d, 1.0f), exp_in_range<-1>(d, hn::Min(x, limit))));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Neg(limit)), y);
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();
#endif
