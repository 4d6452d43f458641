// One output pixel of a RenderPlan, formula by formula, for both backends.
#pragma once

#include "boxcar/kernels/common/host_device.h"
#include "boxcar/kernels/render/hsv_math.h"
#include "boxcar/kernels/render/render_plan.h"

namespace boxcar::kernels {

struct CanvasPoint {
  float x, y;
};

/// Where output pixel (x, y) lies on the canvas. Infinite or NaN where the perspective has a pole.
BOXCAR_HD CanvasPoint map_to_canvas(const Picture& p, int x, int y) {
  const float fx = static_cast<float>(x), fy = static_cast<float>(y);
  const float* m = p.inverse;
  const float sx = m[0] * fx + (m[1] * fy + m[2]);
  const float sy = m[3] * fx + (m[4] * fy + m[5]);
  if (!p.perspective) return {sx, sy};
  const float w = m[6] * fx + (m[7] * fy + m[8]);
  return {sx / w, sy / w};
}

/// Largest integer <= v; |v| below 2^31.
BOXCAR_HD int floor_int(float v) {
  const int i = static_cast<int>(v);
  return i - (v < static_cast<float>(i));
}

/// Nearest byte, ties to even, of 0 <= v <= 255: adding 2^23 leaves no bits for a fraction.
BOXCAR_HD std::uint8_t round_to_byte(float v) {
  constexpr float kTwo23 = 8388608.0f;
  return static_cast<std::uint8_t>(static_cast<int>((v + kTwo23) - kTwo23));
}

/// Between four neighbours: fx to the right, fy down, both in [0, 1).
BOXCAR_HD std::uint8_t bilinear_byte(float p00, float p01, float p10, float p11, float fx, float fy) {
  const float upper = p00 + fx * (p01 - p00), lower = p10 + fx * (p11 - p10);
  return round_to_byte(upper + fy * (lower - upper));
}

BOXCAR_HD Bgr bilinear(Bgr p00, Bgr p01, Bgr p10, Bgr p11, float fx, float fy) {
  return {bilinear_byte(p00.b, p01.b, p10.b, p11.b, fx, fy), bilinear_byte(p00.g, p01.g, p10.g, p11.g, fx, fy),
          bilinear_byte(p00.r, p01.r, p10.r, p11.r, fx, fy)};
}

/// `images` are those the tiles' sources number.
BOXCAR_HD Bgr canvas_pixel(const Picture& p, const SourceImage* images, int x, int y, std::uint8_t fill) {
  for (int i = p.tile_count - 1; i >= 0; --i) {
    const Tile& t = p.tiles[i];
    if (x < t.x1 || x >= t.x2 || y < t.y1 || y >= t.y2) continue;
    const SourceImage& image = images[t.source];
    const std::uint8_t* at = image.pixels + 3 * (static_cast<std::int64_t>(y - t.dy) * image.width + (x - t.dx));
    return {at[0], at[1], at[2]};
  }
  return {fill, fill, fill};
}

/// Points farther out see only the fill value, and their coordinates may not fit an int.
inline constexpr float kFarthest = 1e6f;

BOXCAR_HD bool is_near(float v) { return v > -kFarthest && v < kFarthest; }  // false for NaN

/// The picture at a canvas point, rounded to bytes.
BOXCAR_HD Bgr sample_canvas(const Picture& p, const SourceImage* images, CanvasPoint at, std::uint8_t fill) {
  if (!is_near(at.x) || !is_near(at.y)) return {fill, fill, fill};
  const int x = floor_int(at.x), y = floor_int(at.y);
  return bilinear(canvas_pixel(p, images, x, y, fill), canvas_pixel(p, images, x + 1, y, fill),
                  canvas_pixel(p, images, x, y + 1, fill), canvas_pixel(p, images, x + 1, y + 1, fill),
                  at.x - static_cast<float>(x), at.y - static_cast<float>(y));
}

/// trunc(ratio * a + (1 - ratio) * b), in double as the reference does.
BOXCAR_HD std::uint8_t mix_byte(std::uint8_t a, std::uint8_t b, double ratio) {
  return static_cast<std::uint8_t>(a * ratio + b * (1.0 - ratio));
}

BOXCAR_HD bool inside_cut(const RenderPlan& plan, int x, int y) {
  return plan.cutmix && x >= plan.cut_x1 && x < plan.cut_x2 && y >= plan.cut_y1 && y < plan.cut_y2;
}

template <class R>
BOXCAR_HD Bgr shift_colour(const RenderPlan& plan, Bgr pixel, const R& reciprocals) {
  const Hsv c = bgr_to_hsv(pixel, reciprocals);
  return hsv_to_bgr({plan.hue[c.h], plan.saturation[c.s], plan.value[c.v]});
}

/// How a render looks at pictures: whole canvas points, neighbour by neighbour. Others may read memory in another order
/// and give the same pixels.
struct PlainSampler {
  const SourceImage* images;

  BOXCAR_HD Bgr operator()(const Picture& p, int x, int y, std::uint8_t fill) const {
    return sample_canvas(p, images, map_to_canvas(p, x, y), fill);
  }
};

/// Output pixel (x, y) before flips, in blue-green-red order.
template <class S, class R>
BOXCAR_HD Bgr render_unflipped(const RenderPlan& plan, const S& sample, int x, int y, const R& reciprocals) {
  const bool cut = inside_cut(plan, x, y);
  Bgr pixel = sample(cut ? plan.cutmix_picture : plan.picture, x, y, plan.fill);
  if (plan.mixup && !cut) {
    const Bgr b = sample(plan.mixup_picture, x, y, plan.fill);
    const double ratio = plan.mixup_ratio;
    pixel = {mix_byte(pixel.b, b.b, ratio), mix_byte(pixel.g, b.g, ratio), mix_byte(pixel.r, b.r, ratio)};
  }
  return plan.hsv ? shift_colour(plan, pixel, reciprocals) : pixel;
}

/// Output pixel (x, y), three bytes in the output's channel order. The whole of rendering; the CPU's
/// loop over rows is a faster arrangement of the same steps.
template <class S, class R>
BOXCAR_HD void render_pixel(const RenderPlan& plan, const S& sample, int x, int y, const R& reciprocals,
                            std::uint8_t* out) {
  const Bgr c = render_unflipped(plan, sample, plan.flip_horizontal ? plan.width - 1 - x : x,
                                 plan.flip_vertical ? plan.height - 1 - y : y, reciprocals);
  out[0] = plan.bgr ? c.b : c.r;
  out[1] = c.g;
  out[2] = plan.bgr ? c.r : c.b;
}

}  // namespace boxcar::kernels
