// A decoded picture: 8 bits a channel, blue-green-red (or one grey channel), row by row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace boxcar {

struct Image {
  int height = 0, width = 0, channels = 3;  // 3: B, G, R; 1: grey
  std::vector<std::uint8_t> pixels;         // height * width * channels, packed

  bool empty() const { return pixels.empty(); }
  std::uint8_t* row(int y) { return pixels.data() + static_cast<std::size_t>(y) * width * channels; }
  const std::uint8_t* row(int y) const { return pixels.data() + static_cast<std::size_t>(y) * width * channels; }
};

}  // namespace boxcar
