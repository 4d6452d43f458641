// Pictures in the caller's memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "boxcar/data/image/image.h"

namespace boxcar {

enum class Pixels { bgr8, rgb8, gray8 };

/// Not owned. `data` is the top row's first byte.
struct ImageView {
  const std::uint8_t* data = nullptr;
  int width = 0, height = 0;
  std::ptrdiff_t stride = 0;  // bytes from a row to the one below, negative for pictures stored upwards; 0: packed
  Pixels format = Pixels::bgr8;
};

/// A copy as blue, green, red; grey becomes three equal channels. Throws ArgumentError for a null picture, sides below
/// 1 or above what an image file may have, and rows that overlap.
Image copied(const ImageView& view);

}  // namespace boxcar
