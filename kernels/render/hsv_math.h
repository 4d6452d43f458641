// 8-bit blue-green-red to hue-saturation-value and back, hue in 0..179 (two degrees a step).
// The integer formulas and the truncation are those of OpenCV's 8-bit conversions.
#pragma once

#include <cstdint>

#include "boxcar/kernels/common/host_device.h"

namespace boxcar::kernels {

struct Bgr {
  std::uint8_t b, g, r;
  bool operator==(const Bgr&) const = default;
};
struct Hsv {
  std::uint8_t h, s, v;
};

/// Reciprocals with 12 fraction bits, by division: round(255 * 4096 / v) and round(180 * 4096 / (6 d)); 0 for 0.
struct HsvReciprocals {
  BOXCAR_HD constexpr int of_value(int v) const { return v == 0 ? 0 : (2 * 255 * 4096 + v) / (2 * v); }
  BOXCAR_HD constexpr int of_range(int d) const { return d == 0 ? 0 : (2 * 30 * 4096 + d) / (2 * d); }
};

/// `R` is HsvReciprocals or a table of the same numbers.
template <class R>
BOXCAR_HD Hsv bgr_to_hsv(Bgr pixel, const R& reciprocals) {
  const int b = pixel.b, g = pixel.g, r = pixel.r;
  const int larger = g > r ? g : r, smaller = g < r ? g : r;
  const int v = b > larger ? b : larger, d = v - (b < smaller ? b : smaller);
  const int s = (d * reciprocals.of_value(v) + 2048) >> 12;
  const int n = v == r ? g - b : (v == g ? b - r + 2 * d : r - g + 4 * d);
  const int h = (n * reciprocals.of_range(d) + 2048) >> 12;
  return {static_cast<std::uint8_t>(h < 0 ? h + 180 : h), static_cast<std::uint8_t>(s), static_cast<std::uint8_t>(v)};
}

/// In float, truncated to bytes.
BOXCAR_HD Bgr hsv_to_bgr(Hsv pixel) {
  const float h = static_cast<float>(pixel.h) * (6.0f / 180.0f);
  const float s = static_cast<float>(pixel.s) * (1.0f / 255.0f);
  const float v = static_cast<float>(pixel.v) * (1.0f / 255.0f);
  const int sector = static_cast<int>(h);
  const float f = h - static_cast<float>(sector);
  const float vs = v * s, vsf = vs * f;
  const auto top = static_cast<std::uint8_t>(static_cast<int>(v * 255.0f));
  const auto low = static_cast<std::uint8_t>(static_cast<int>((v - vs) * 255.0f));
  const auto falling = static_cast<std::uint8_t>(static_cast<int>((v - vsf) * 255.0f));
  const auto rising = static_cast<std::uint8_t>(static_cast<int>((v - (vs - vsf)) * 255.0f));
  // Choices instead of jumps: neighbouring pixels rarely agree on the sector.
  const std::uint8_t b = sector < 2 ? low : (sector == 2 ? rising : (sector < 5 ? top : falling));
  const std::uint8_t g = sector == 0 ? rising : (sector < 3 ? top : (sector == 3 ? falling : low));
  const std::uint8_t r = sector == 0 || sector == 5 ? top : (sector == 1 ? falling : (sector < 4 ? low : rising));
  return {b, g, r};
}

}  // namespace boxcar::kernels
