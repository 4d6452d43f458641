#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/render/colour_rows.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include "boxcar/kernels/common/simd-inl.h"
#include "boxcar/kernels/render/colour_rows.h"
#include "boxcar/kernels/render/render_math.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

using Floats = hn::Vec<Wide>;
using WideInt = hn::RebindToUnsigned<Wide>;
using Ints = hn::Vec<WideInt>;

// Whole numbers below 2^23 plus this have their bits at the low end of the sum.
constexpr float kToBits = 8388608.0f;

/// a * b + 2048, divided by 4096 and rounded down; whole numbers below 2^24, so that every step is exact.
HWY_INLINE Floats scaled(Floats a, Floats b) {
  const Wide d;
  return hn::Floor(hn::Mul(hn::Add(hn::Mul(a, b), hn::Set(d, 2048.0f)), hn::Set(d, 1.0f / 4096.0f)));
}

HWY_INLINE Ints bits_of(Floats whole) { return hn::BitCast(WideInt(), hn::Add(whole, hn::Set(Wide(), kToBits))); }

/// bgr_to_hsv(). Both of its reciprocals come from one division: 1 / (v d) times d and times v is off by less than
/// their distance from a half, so that they round to the same whole numbers.
HWY_INLINE void to_hsv(Floats b, Floats g, Floats r, Floats& h, Floats& s, Floats& v) {
  const Wide d;
  const auto zero = hn::Zero(d);
  v = hn::Max(b, hn::Max(g, r));
  const auto range = hn::Sub(v, hn::Min(b, hn::Min(g, r)));
  const auto twice = hn::Add(range, range);
  const auto if_green = hn::Add(hn::Sub(b, r), twice), if_blue = hn::Add(hn::Sub(r, g), hn::Add(twice, twice));
  const auto n = hn::IfThenElse(hn::Eq(v, r), hn::Sub(g, b), hn::IfThenElse(hn::Eq(v, g), if_green, if_blue));
  const auto one = hn::Set(d, 1.0f);  // for a range of 0: then s and n are 0, whatever it is divided by
  const auto both = hn::Div(one, hn::Max(hn::Mul(v, range), one));
  s = scaled(range, hn::Round(hn::Mul(hn::Mul(range, hn::Set(d, 255.0f * 4096.0f)), both)));
  h = scaled(n, hn::Round(hn::Mul(hn::Mul(v, hn::Set(d, 30.0f * 4096.0f)), both)));
  h = hn::Add(h, hn::IfThenElseZero(hn::Lt(h, zero), hn::Set(d, 180.0f)));
}

/// hsv_to_bgr(), as a pixel.
HWY_INLINE Ints to_pixel(Floats h, Floats s, Floats v) {
  const Wide d;
  h = hn::Mul(h, hn::Set(d, 6.0f / 180.0f));
  s = hn::Mul(s, hn::Set(d, 1.0f / 255.0f));
  v = hn::Mul(v, hn::Set(d, 1.0f / 255.0f));
  const auto vs = hn::Mul(v, s), vsf = hn::Mul(vs, hn::Sub(h, hn::Trunc(h)));
  const auto low = hn::Sub(v, vs), falling = hn::Sub(v, vsf), rising = hn::Sub(v, hn::Sub(vs, vsf));
  const auto below = [&](float sector, Floats yes, Floats no)
                         HWY_ATTR { return hn::IfThenElse(hn::Lt(h, hn::Set(d, sector)), yes, no); };
  const auto b = below(2, low, below(3, rising, below(5, v, falling)));
  const auto g = below(1, rising, below(3, v, below(4, falling, low)));
  const auto r = below(1, v, below(2, falling, below(4, low, below(5, rising, below(6, v, rising)))));
  const auto byte = [&](Floats share) HWY_ATTR { return bits_of(hn::Trunc(hn::Mul(share, hn::Set(d, 255.0f)))); };
  return hn::Or3(byte(b), hn::ShiftLeft<8>(byte(g)), hn::ShiftLeft<16>(byte(r)));  // the high bits fall out
}

#if HWY_TARGET == HWY_SCALAR

template <int kParts>
Ints look_up(const std::uint8_t* table, Ints packed) {
  std::uint32_t found = 0;
  for (int i = 0; i < 32; i += 8) found |= std::uint32_t{table[hn::GetLane(packed) >> i & 255]} << i;
  return hn::Set(WideInt(), found);
}

#else

/// Each byte's place in a table of kParts times sixteen. Each part is asked for the low four bits, then the higher bits
/// choose, halving the number of answers.
template <int kParts>
HWY_INLINE Ints look_up(const std::uint8_t* table, Ints packed) {
  const hn::Repartition<std::uint8_t, WideInt> d;
  const auto index = hn::BitCast(d, packed), low = hn::And(index, hn::Set(d, 15));
  hn::Vec<decltype(d)> found[16];
  for (int i = 0; i < kParts; ++i) found[i] = hn::TableLookupBytes(hn::LoadDup128(d, table + 16 * i), low);
  for (int bit = 16, count = kParts; count > 1; bit *= 2, count = (count + 1) / 2) {
    const auto is_set = hn::TestBit(index, hn::Set(d, static_cast<std::uint8_t>(bit)));
    for (int i = 0; i < count / 2; ++i) found[i] = hn::IfThenElse(is_set, found[2 * i + 1], found[2 * i]);
    if (count % 2 == 1) found[count / 2] = found[count - 1];
  }
  return hn::BitCast(WideInt(), found[0]);
}

#endif

/// Hue, saturation and value of four vectors of pixels: byte k of each number belongs to vector k. The tables do not
/// mind the order, and no byte changes its lane.
struct Packed {
  Ints h, s, v;
};

template <int kByte>
HWY_INLINE Floats byte_of(Ints packed) {
  auto byte = packed;
  if constexpr (kByte > 0) byte = hn::ShiftRight<8 * kByte>(byte);
  if constexpr (kByte < 3) byte = hn::And(byte, hn::Set(WideInt(), 255u));
  return hn::ConvertTo(Wide(), hn::BitCast(hn::RebindToSigned<Wide>(), byte));
}

template <int kByte>
HWY_INLINE Ints at_byte(Floats whole) {
  if constexpr (kByte == 0) return hn::And(bits_of(whole), hn::Set(WideInt(), 255u));
  return hn::ShiftLeft<8 * kByte>(bits_of(whole));  // the high bits fall out
}

template <int kByte>
HWY_INLINE void add_pixels(const std::uint8_t* row, Packed& to) {
  const WideInt di;
  const auto pixels = hn::LoadU(di, reinterpret_cast<const std::uint32_t*>(row) + kByte * hn::Lanes(di));
  Floats h, s, v;
  to_hsv(byte_of<0>(pixels), byte_of<1>(pixels), byte_of<2>(pixels), h, s, v);
  to.h = hn::Or(to.h, at_byte<kByte>(h));
  to.s = hn::Or(to.s, at_byte<kByte>(s));
  to.v = hn::Or(to.v, at_byte<kByte>(v));
}

template <int kByte>
HWY_INLINE void store_pixels(const Packed& from, std::uint8_t* row) {
  const WideInt di;
  hn::StoreU(to_pixel(byte_of<kByte>(from.h), byte_of<kByte>(from.s), byte_of<kByte>(from.v)), di,
             reinterpret_cast<std::uint32_t*>(row) + kByte * hn::Lanes(di));
}

/// The order of the bytes of four pixels in twelve.
struct Order {
  alignas(16) std::uint8_t places[16] = {};
  Order(bool mirrored, bool bgr) {
    for (int i = 0; i < 12; ++i) {
      const int pixel = mirrored ? 3 - i / 3 : i / 3, channel = bgr ? i % 3 : 2 - i % 3;
      places[i] = static_cast<std::uint8_t>(4 * pixel + channel);
    }
  }
};

}  // namespace

void mix_row(double ratio, const std::uint8_t* other, int count, std::uint8_t* row) {
  const hn::CappedTag<double, 8> d;
  const hn::Rebind<std::int32_t, decltype(d)> di;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const auto number = [&](const std::uint8_t* p)
                          HWY_ATTR { return hn::PromoteTo(d, hn::PromoteTo(di, hn::LoadU(d8, p))); };
  const auto mine = hn::Set(d, ratio), rest = hn::Set(d, 1.0 - ratio);
  for (int i = 0; i < 4 * count; i += static_cast<int>(hn::Lanes(d))) {
    const auto mixed = hn::Add(hn::Mul(number(row + i), mine), hn::Mul(number(other + i), rest));
    hn::StoreU(hn::DemoteTo(d8, hn::DemoteTo(di, mixed)), d8, row + i);
  }
}

void shift_colours(const RenderPlan& plan, int count, std::uint8_t* row) {
  const WideInt di;
  const int unit = 4 * static_cast<int>(hn::Lanes(di));  // divides kRowUnit
  constexpr int kHueParts = 12;                          // of 180 values
  for (int i = 0; i < count; i += unit, row += 4 * unit) {
    Packed packed{hn::Zero(di), hn::Zero(di), hn::Zero(di)};
    add_pixels<0>(row, packed);
    add_pixels<1>(row, packed);
    add_pixels<2>(row, packed);
    add_pixels<3>(row, packed);
    packed.h = look_up<kHueParts>(plan.hue, packed.h);
    packed.s = look_up<16>(plan.saturation, packed.s);
    packed.v = look_up<16>(plan.value, packed.v);
    store_pixels<0>(packed, row);
    store_pixels<1>(packed, row);
    store_pixels<2>(packed, row);
    store_pixels<3>(packed, row);
  }
}

void store_row(const RenderPlan& plan, const std::uint8_t* row, int count, std::uint8_t* out) {
  const bool mirrored = plan.flip_horizontal;
  int x = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<std::uint8_t, 16> d;
  const Order order(mirrored, plan.bgr);
  const auto places = hn::Load(d, order.places);
  for (; 3 * (count - x) >= 16; x += 4) {  // sixteen bytes are written for four pixels
    const int from = mirrored ? count - 4 - x : x;
    hn::StoreU(hn::TableLookupBytes(hn::LoadU(d, row + 4 * from), places), d, out + 3 * x);
  }
#endif
  for (; x < count; ++x) {
    const std::uint8_t* pixel = row + 4 * (mirrored ? count - 1 - x : x);
    for (int c = 0; c < 3; ++c) out[3 * x + c] = pixel[plan.bgr ? c : 2 - c];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace boxcar::kernels {

HWY_EXPORT(mix_row);
HWY_EXPORT(shift_colours);
HWY_EXPORT(store_row);

namespace cpu {

void mix_row(double ratio, const std::uint8_t* other, int count, std::uint8_t* row) {
  HWY_DYNAMIC_DISPATCH(mix_row)(ratio, other, count, row);
}
void shift_colours(const RenderPlan& plan, int count, std::uint8_t* row) {
  HWY_DYNAMIC_DISPATCH(shift_colours)(plan, count, row);
}
void store_row(const RenderPlan& plan, const std::uint8_t* row, int count, std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(store_row)(plan, row, count, out);
}

}  // namespace cpu
}  // namespace boxcar::kernels
#endif
