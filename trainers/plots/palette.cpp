#include "boxcar/trainers/plots/palette.h"

namespace boxcar {
namespace {

constexpr int kColors = 20;
constexpr std::uint32_t kPalette[kColors] = {0x042AFF, 0x0BDBEB, 0xF3F3F3, 0x00DFB7, 0x111F68, 0xFF6FDD, 0xFF444F,
                                             0xCCED00, 0x00F344, 0xBD00FF, 0x00B4FF, 0xDD00BA, 0x00FFFF, 0x26C000,
                                             0x01FFB3, 0x7D24FF, 0x7B0068, 0xFF1B6C, 0xFC6D2F, 0xA2FF0B};

int luma(Color c) { return (299 * c.r + 587 * c.g + 114 * c.b) / 1000; }

}  // namespace

Color class_color(int cls) {
  const std::uint32_t rgb = kPalette[(cls % kColors + kColors) % kColors];
  return {static_cast<std::uint8_t>(rgb >> 16), static_cast<std::uint8_t>(rgb >> 8), static_cast<std::uint8_t>(rgb)};
}

Color on_white(Color c) {
  if (luma(c) < 215) return c;
  const auto darker = [](std::uint8_t v) { return static_cast<std::uint8_t>(v * 2 / 3); };
  return {darker(c.r), darker(c.g), darker(c.b)};
}

Color text_color_on(Color c) { return luma(c) > 140 ? kBlack : kWhite; }

}  // namespace boxcar
