// Colours of classes.
#pragma once

#include <cstdint>

namespace boxcar {

struct Color {
  std::uint8_t r = 0, g = 0, b = 0;
  bool operator==(const Color&) const = default;
};

inline constexpr Color kWhite{255, 255, 255}, kBlack{0, 0, 0};

/// One of twenty, by class modulo 20; any number may be given.
Color class_color(int cls);
/// The same hue, darker where it would not be seen on white.
Color on_white(Color color);
/// Black or white, whichever reads better on `background` (luma of ITU-R BT.601).
Color text_color_on(Color background);

}  // namespace boxcar
