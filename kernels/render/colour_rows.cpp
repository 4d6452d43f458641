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
using WideInt = hn::RebindToSigned<Wide>;
using Ints = hn::Vec<WideInt>;
using WideByte = hn::Rebind<std::uint8_t, Wide>;

/// A unit of pixels, channel by channel.
struct Planes {
  alignas(64) std::uint8_t h[cpu::kRowUnit], s[cpu::kRowUnit], v[cpu::kRowUnit];
};

HWY_INLINE void store_bytes(Ints value, std::uint8_t* to) {
  const WideByte d8;
  hn::StoreU(hn::DemoteTo(d8, value), d8, to);
}
HWY_INLINE Floats load_bytes(const std::uint8_t* from) {
  return hn::ConvertTo(Wide(), hn::PromoteTo(WideInt(), hn::LoadU(WideByte(), from)));
}

/// (a * b + 2048) >> 12 of whole numbers whose product a float holds.
HWY_INLINE Ints scaled(Floats a, Floats b) {
  const WideInt di;
  return hn::ShiftRight<12>(hn::Add(hn::ConvertTo(di, hn::Mul(a, b)), hn::Set(di, 2048)));
}

/// bgr_to_hsv(). Both of its reciprocals come from one division: 1 / (v d) times d and times v is off by less than
/// their distance from a half, so that they round to the same whole numbers.
HWY_INLINE void to_hsv(Ints b, Ints g, Ints r, Ints& h, Ints& s, Ints& v) {
  const Wide d;
  const WideInt di;
  v = hn::Max(b, hn::Max(g, r));
  const auto range = hn::Sub(v, hn::Min(b, hn::Min(g, r)));
  const auto twice = hn::Add(range, range);
  const auto if_green = hn::Add(hn::Sub(b, r), twice), if_blue = hn::Add(hn::Sub(r, g), hn::Add(twice, twice));
  const auto n = hn::IfThenElse(hn::Eq(v, r), hn::Sub(g, b), hn::IfThenElse(hn::Eq(v, g), if_green, if_blue));
  const auto fv = hn::ConvertTo(d, v), fd = hn::ConvertTo(d, range);
  const auto both = hn::IfThenElseZero(hn::Gt(fd, hn::Zero(d)), hn::Div(hn::Set(d, 1.0f), hn::Mul(fv, fd)));
  s = scaled(fd, hn::Round(hn::Mul(hn::Mul(fd, hn::Set(d, 255.0f * 4096.0f)), both)));
  h = scaled(hn::ConvertTo(d, n), hn::Round(hn::Mul(hn::Mul(fv, hn::Set(d, 30.0f * 4096.0f)), both)));
  h = hn::Add(h, hn::IfThenElseZero(hn::Lt(h, hn::Zero(di)), hn::Set(di, 180)));
}

/// hsv_to_bgr() of bytes as floats.
HWY_INLINE void to_bgr(Floats h, Floats s, Floats v, Ints& b, Ints& g, Ints& r) {
  const Wide d;
  const WideInt di;
  h = hn::Mul(h, hn::Set(d, 6.0f / 180.0f));
  s = hn::Mul(s, hn::Set(d, 1.0f / 255.0f));
  v = hn::Mul(v, hn::Set(d, 1.0f / 255.0f));
  const auto sector = hn::ConvertTo(di, h);
  const auto f = hn::Sub(h, hn::ConvertTo(d, sector));
  const auto vs = hn::Mul(v, s), vsf = hn::Mul(vs, f), full = hn::Set(d, 255.0f);
  const auto top = hn::ConvertTo(di, hn::Mul(v, full));
  const auto low = hn::ConvertTo(di, hn::Mul(hn::Sub(v, vs), full));
  const auto falling = hn::ConvertTo(di, hn::Mul(hn::Sub(v, vsf), full));
  const auto rising = hn::ConvertTo(di, hn::Mul(hn::Sub(v, hn::Sub(vs, vsf)), full));
  const auto is = [&](int n) HWY_ATTR { return hn::Eq(sector, hn::Set(di, n)); };
  const auto below = [&](int n) HWY_ATTR { return hn::Lt(sector, hn::Set(di, n)); };
  const auto choose = [](auto mask, Ints yes, Ints no) HWY_ATTR { return hn::IfThenElse(mask, yes, no); };
  b = choose(below(2), low, choose(is(2), rising, choose(below(5), top, falling)));
  g = choose(is(0), rising, choose(below(3), top, choose(is(3), falling, low)));
  r = choose(is(0), top, choose(is(1), falling, choose(below(4), low, choose(is(5), top, rising))));
}

void unit_to_hsv(const std::uint8_t* row, Planes& to) {
  const WideInt di;
  const auto byte = hn::Set(di, 255);
  for (int i = 0; i < cpu::kRowUnit; i += static_cast<int>(hn::Lanes(di))) {
    const auto pixel = hn::LoadU(di, reinterpret_cast<const std::int32_t*>(row + 4 * i));
    Ints h, s, v;
    to_hsv(hn::And(pixel, byte), hn::And(hn::ShiftRight<8>(pixel), byte), hn::And(hn::ShiftRight<16>(pixel), byte), h,
           s, v);
    store_bytes(h, to.h + i);
    store_bytes(s, to.s + i);
    store_bytes(v, to.v + i);
  }
}

void unit_to_bgr(const Planes& from, std::uint8_t* row) {
  const WideInt di;
  for (int i = 0; i < cpu::kRowUnit; i += static_cast<int>(hn::Lanes(di))) {
    Ints b, g, r;
    to_bgr(load_bytes(from.h + i), load_bytes(from.s + i), load_bytes(from.v + i), b, g, r);
    const auto pixel = hn::Or(b, hn::Or(hn::ShiftLeft<8>(g), hn::ShiftLeft<16>(r)));
    hn::StoreU(pixel, di, reinterpret_cast<std::int32_t*>(row + 4 * i));
  }
}

/// plane[i] = table[plane[i]], by looking each byte up in the table's sixteenths: one of them has it, the others give
/// 0.
void look_up(const std::uint8_t* table, std::uint8_t* plane) {
#if HWY_TARGET == HWY_SCALAR
  for (int i = 0; i < cpu::kRowUnit; ++i) plane[i] = table[plane[i]];
#else
  const hn::CappedTag<std::uint8_t, cpu::kRowUnit> d;
  for (int i = 0; i < cpu::kRowUnit; i += static_cast<int>(hn::Lanes(d))) {
    const auto index = hn::Load(d, plane + i);
    auto found = hn::Zero(d);
    for (int part = 0; part < 256; part += 16) {
      const auto inside = hn::Xor(index, hn::Set(d, static_cast<std::uint8_t>(part)));  // 0..15, or more
      const auto place = hn::SaturatedAdd(inside, hn::Set(d, 0x70));                    // or with the highest bit
      found = hn::Or(found, hn::TableLookupBytesOr0(hn::LoadDup128(d, table + part), place));
    }
    hn::Store(found, d, plane + i);
  }
#endif
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
  Planes planes;
  for (int i = 0; i < count; i += cpu::kRowUnit, row += 4 * cpu::kRowUnit) {
    unit_to_hsv(row, planes);
    look_up(plan.hue, planes.h);
    look_up(plan.saturation, planes.s);
    look_up(plan.value, planes.v);
    unit_to_bgr(planes, row);
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
