#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/render/sample_rows.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "boxcar/kernels/common/pixel_groups-inl.h"
#include "boxcar/kernels/common/simd-inl.h"
#include "boxcar/kernels/render/render_math.h"
#include "boxcar/kernels/render/sample_rows.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

using cpu::RowPoints;
using Floats = hn::Vec<Wide>;
using WideInt = hn::RebindToSigned<Wide>;

/// map_to_canvas() of pixels x, x + 1, ... of a row.
class CanvasRow {
 public:
  CanvasRow(const Picture& p, int y) : perspective_(p.perspective) {
    const float fy = static_cast<float>(y);
    for (int i = 0; i < 3; ++i) {
      step_[i] = p.inverse[3 * i];
      start_[i] = p.inverse[3 * i + 1] * fy + p.inverse[3 * i + 2];
    }
  }
  HWY_INLINE void at(int x, Floats& cx, Floats& cy) const {
    const Wide d;
    const auto fx = hn::Iota(d, static_cast<float>(x));
    cx = coordinate(0, fx);
    cy = coordinate(1, fx);
    if (!perspective_) return;
    const auto w = coordinate(2, fx);
    cx = hn::Div(cx, w);
    cy = hn::Div(cy, w);
  }

 private:
  HWY_INLINE Floats coordinate(int i, Floats fx) const {
    const Wide d;
    return hn::Add(hn::Mul(hn::Set(d, step_[i]), fx), hn::Set(d, start_[i]));
  }
  float step_[3], start_[3];
  bool perspective_;
};

/// Whether low <= (x, y) and (x, y) < high.
HWY_INLINE hn::Mask<Wide> within(Floats x, Floats y, int low_x, int low_y, int high_x, int high_y) {
  const Wide d;
  const auto number = [&](int v) HWY_ATTR { return hn::Set(d, static_cast<float>(v)); };
  return hn::And(hn::And(hn::Ge(x, number(low_x)), hn::Lt(x, number(high_x))),
                 hn::And(hn::Ge(y, number(low_y)), hn::Lt(y, number(high_y))));
}

/// Calls visit(x) for vectors of pixels from x on until it returns a mask with a lane that is not set; the
/// number of pixels before that lane.
template <class Visit>
HWY_INLINE int count_while(int x, int end, Visit&& visit) {
  const Wide d;
  const int begin = x, lanes = static_cast<int>(hn::Lanes(d));
  for (; x < end; x += lanes) {
    const auto no = hn::Not(visit(x));
    const auto first = hn::FindFirstTrue(d, no);
    if (first >= 0) return std::min(x + static_cast<int>(first), end) - begin;
  }
  return end - begin;
}

#if HWY_TARGET == HWY_SCALAR

void sample_point(const SourceImage& image, const RowPoints& points, int i, std::uint8_t* out) {
  const std::ptrdiff_t pitch = std::ptrdiff_t{3} * image.width;
  const std::uint8_t* p = image.pixels + points.offset[i];
  for (int c = 0; c < 3; ++c, ++p)
    out[c] = bilinear_byte(p[0], p[3], p[pitch], p[pitch + 3], points.fx[i], points.fy[i]);
}

void blend_column(const std::uint8_t* p, float fx, float* out) {
  for (int c = 0; c < 3; ++c) {
    const float left = p[c], right = p[c + 3];
    out[c] = left + fx * (right - left);
  }
}

#else

template <class V>
HWY_INLINE V blend(V from, V to, V share) {
  return hn::Add(from, hn::Mul(share, hn::Sub(to, from)));
}

/// Between each left neighbour, at p[start + offset[i]], and the right one.
template <int kPixels, class V>
HWY_INLINE V between(const std::uint8_t* p, std::int64_t start, const std::int32_t* offset, V fx) {
  const Group<float, kPixels> d;
  return blend(hn::ConvertTo(d, left_pixels<kPixels>(p, start, offset)),
               hn::ConvertTo(d, right_pixels<kPixels>(p, start, offset)), fx);
}

/// As round_to_byte(); the byte lies at the low end of the sum.
template <class D>
HWY_INLINE void store_bytes(hn::Vec<D> value, D d, std::uint8_t* to) {
  const hn::Rebind<std::uint8_t, D> d8;
  const hn::RebindToUnsigned<D> du;
  hn::StoreU(hn::TruncateTo(d8, hn::BitCast(du, hn::Add(value, hn::Set(d, 8388608.0f)))), d8, to);
}

template <int kPixels>
HWY_INLINE void sample_group(const SourceImage& image, const RowPoints& points, std::int64_t ahead, int i,
                             std::uint8_t* out) {
  const std::int32_t* offset = points.offset + i;
  const std::int64_t pitch = std::int64_t{3} * image.width;
  hwy::Prefetch(image.pixels + (pitch + offset[0] + ahead));
  const auto fx = four_each<kPixels>(points.fx + i), fy = four_each<kPixels>(points.fy + i);
  const auto above = between<kPixels>(image.pixels, 0, offset, fx);
  const auto below = between<kPixels>(image.pixels, pitch, offset, fx);
  store_bytes(blend(above, below, fy), Group<float, kPixels>(), out + 4 * i);
}

#endif

}  // namespace

int points_in_tile(const Picture& picture, const Tile& tile, const SourceImage& image, int x, int end, int y,
                   const RowPoints& points) {
  const Wide d;
  const WideInt di;
  const CanvasRow row(picture, y);
  const auto pitch = hn::Set(di, 3 * image.width), three = hn::Set(di, 3);
  const std::int64_t start = 3 * (std::int64_t{tile.dy} * image.width + tile.dx);
  const auto origin = hn::Set(di, static_cast<std::int32_t>(-start));  // sums may wrap around and back
  return count_while(x, end, [&](int at) HWY_ATTR {
    Floats cx, cy;
    row.at(at, cx, cy);
    const auto ix = hn::ConvertTo(di, cx), iy = hn::ConvertTo(di, cy);  // truncation is floor: tiles start at 0
    const int i = at - x;
    hn::StoreU(hn::Add(hn::Add(hn::Mul(iy, pitch), hn::Mul(ix, three)), origin), di, points.offset + i);
    hn::StoreU(hn::Sub(cx, hn::ConvertTo(d, ix)), d, points.fx + i);
    hn::StoreU(hn::Sub(cy, hn::ConvertTo(d, iy)), d, points.fy + i);
    return within(cx, cy, tile.x1, tile.y1, tile.x2 - 1, tile.y2 - 1);
  });
}

int points_outside(const Picture& picture, int x, int end, int y) {
  const CanvasRow row(picture, y);
  return count_while(x, end, [&](int at) HWY_ATTR {
    Floats cx, cy;
    row.at(at, cx, cy);
    auto touched = hn::FirstN(Wide(), 0);
    for (int i = 0; i < picture.tile_count; ++i) {
      const Tile& t = picture.tiles[i];
      touched = hn::Or(touched, within(cx, cy, t.x1 - 1, t.y1 - 1, t.x2, t.y2));
    }
    return hn::Not(touched);
  });
}

void sample_points(const SourceImage& image, const RowPoints& points, std::int64_t ahead, int count,
                   std::uint8_t* out) {
  int i = 0;
#if HWY_TARGET == HWY_SCALAR
  (void)ahead;
  for (; i < count; ++i) sample_point(image, points, i, out + 4 * i);
#else
  for (; i + kGroup <= count; i += kGroup) sample_group<kGroup>(image, points, ahead, i, out);
  for (; i < count; ++i) sample_group<1>(image, points, ahead, i, out);
#endif
}

void blend_columns(const std::uint8_t* pixels, std::int64_t start, const std::int32_t* offset, const float* fx,
                   std::int64_t ahead, int count, float* out) {
  int i = 0;
#if HWY_TARGET == HWY_SCALAR
  (void)ahead;
  for (; i < count; ++i) blend_column(pixels + (start + offset[i]), fx[i], out + 4 * i);
#else
  for (; i + kGroup <= count; i += kGroup) {
    hwy::Prefetch(pixels + (start + offset[i] + ahead));
    hn::StoreU(between<kGroup>(pixels, start, offset + i, four_each<kGroup>(fx + i)), Group<float, kGroup>(),
               out + 4 * i);
  }
  for (; i < count; ++i) {
    hn::StoreU(between<1>(pixels, start, offset + i, four_each<1>(fx + i)), Group<float, 1>(), out + 4 * i);
  }
#endif
}

void blend_rows(const float* upper, const float* lower, float fy, int count, std::uint8_t* out) {
#if HWY_TARGET == HWY_SCALAR
  for (int i = 0; i < 4 * count; ++i) out[i] = round_to_byte(upper[i] + fy * (lower[i] - upper[i]));
#else
  for_short_vectors(4 * std::int64_t{count}, [&](auto d, std::int64_t i) HWY_ATTR {
    if constexpr (hn::MaxLanes(d) >= 4) {
      store_bytes(blend(hn::LoadU(d, upper + i), hn::LoadU(d, lower + i), hn::Set(d, fy)), d, out + i);
    }
  });
#endif
}

void copy_pixels(const std::uint8_t* bgr, int count, std::uint8_t* out) {
  int i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<std::uint8_t, 16> d;
  alignas(16) static constexpr std::uint8_t kPlaces[16] = {0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 9, 10, 11, 0};
  for (; 3 * (count - i) >= 16; i += 4) {  // sixteen bytes are read for four pixels
    hn::StoreU(hn::TableLookupBytes(hn::LoadU(d, bgr + 3 * i), hn::Load(d, kPlaces)), d, out + 4 * i);
  }
#endif
  for (; i < count; ++i) std::memcpy(out + 4 * i, bgr + 3 * i, 3);
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace boxcar::kernels {

HWY_EXPORT(points_in_tile);
HWY_EXPORT(points_outside);
HWY_EXPORT(sample_points);
HWY_EXPORT(blend_columns);
HWY_EXPORT(blend_rows);
HWY_EXPORT(copy_pixels);

namespace cpu {

int points_in_tile(const Picture& picture, const Tile& tile, const SourceImage& image, int x, int end, int y,
                   const RowPoints& points) {
  return HWY_DYNAMIC_DISPATCH(points_in_tile)(picture, tile, image, x, end, y, points);
}
int points_outside(const Picture& picture, int x, int end, int y) {
  return HWY_DYNAMIC_DISPATCH(points_outside)(picture, x, end, y);
}
void sample_points(const SourceImage& image, const RowPoints& points, std::int64_t ahead, int count,
                   std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(sample_points)(image, points, ahead, count, out);
}
void blend_columns(const std::uint8_t* pixels, std::int64_t start, const std::int32_t* offset, const float* fx,
                   std::int64_t ahead, int count, float* out) {
  HWY_DYNAMIC_DISPATCH(blend_columns)(pixels, start, offset, fx, ahead, count, out);
}
void blend_rows(const float* upper, const float* lower, float fy, int count, std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(blend_rows)(upper, lower, fy, count, out);
}
void copy_pixels(const std::uint8_t* bgr, int count, std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(copy_pixels)(bgr, count, out);
}

}  // namespace cpu
}  // namespace boxcar::kernels
#endif
