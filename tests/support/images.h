// Golden tensors as pictures.
#pragma once

#include <cstdint>

#include "boxcar/data/image/image.h"
#include "support/golden.h"

namespace boxcar::test {

/// A u8 tensor H x W x C or H x W.
inline Image image_from(const GoldenTensor& t) {
  Image image{static_cast<int>(t.shape.at(0)), static_cast<int>(t.shape.at(1)), 1, {}};
  if (t.shape.size() == 3) image.channels = static_cast<int>(t.shape[2]);
  const auto* begin = reinterpret_cast<const std::uint8_t*>(t.bytes.data());
  image.pixels.assign(begin, begin + t.bytes.size());
  return image;
}

}  // namespace boxcar::test
