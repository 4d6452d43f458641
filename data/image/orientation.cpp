#include "boxcar/data/image/orientation.h"

#include <algorithm>
#include <utility>

namespace boxcar {
namespace {

constexpr std::uint32_t kOrientationTag = 0x0112, kShort = 3;
constexpr std::size_t kEntryBytes = 12;

int orientation_in(Bytes tiff, std::uint32_t (*number)(Bytes, std::size_t, std::size_t)) {
  if (number(tiff, 2, 2) != 42) return 1;
  const std::size_t directory = number(tiff, 4, 4);
  const std::size_t entries = number(tiff, directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntryBytes;
    if (number(tiff, entry, 2) != kOrientationTag) continue;
    const std::uint32_t value = number(tiff, entry + 8, 2);
    const bool valid = number(tiff, entry + 2, 2) == kShort && value >= 1 && value <= 8;
    return valid ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace

int exif_orientation(Bytes tiff) noexcept {
  try {
    const std::uint32_t order = big_endian(tiff, 0, 2);
    if (order == 0x4949) return orientation_in(tiff, little_endian);
    if (order == 0x4D4D) return orientation_in(tiff, big_endian);
  } catch (const std::exception&) {
  }
  return 1;
}

Image apply_orientation(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transpose = swaps_sides(orientation);
  // Which end of the source a step along the result's rows or columns starts from.
  const bool flip_rows = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool flip_columns = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const int sh = image.height, sw = image.width, channels = image.channels;
  Image out{transpose ? sw : sh, transpose ? sh : sw, channels, {}};
  out.pixels.resize(image.pixels.size());
  for (int y = 0; y < out.height; ++y) {
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < out.width; ++x, to += channels) {
      const int r = transpose ? x : y, c = transpose ? y : x;
      const int sy = flip_rows ? sh - 1 - r : r, sx = flip_columns ? sw - 1 - c : c;
      std::copy_n(image.row(sy) + static_cast<std::ptrdiff_t>(sx) * channels, channels, to);
    }
  }
  return out;
}

}  // namespace boxcar
