// The only file that includes stb_image_write.
#include "boxcar/data/image/encode.h"
#include "boxcar/runtime/base/error.h"

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

namespace boxcar {
namespace {

void append(void* target, void* data, int size) {
  auto* bytes = static_cast<const std::uint8_t*>(data);
  auto& out = *static_cast<std::vector<std::uint8_t>*>(target);
  out.insert(out.end(), bytes, bytes + size);
}

/// PNG stores red first.
std::vector<std::uint8_t> red_first(const Image& image) {
  std::vector<std::uint8_t> rgb = image.pixels;
  if (image.channels == 3)
    for (std::size_t i = 0; i + 2 < rgb.size(); i += 3) std::swap(rgb[i], rgb[i + 2]);
  return rgb;
}

}  // namespace

std::vector<std::uint8_t> encode_png(const Image& image) {
  if (image.empty() || (image.channels != 1 && image.channels != 3))
    fail<ArgumentError>("cannot encode a picture of {}x{} pixels and {} channels as PNG; 1 or 3 channels are wanted",
                        image.width, image.height, image.channels);
  constexpr std::size_t kMostBytes = std::size_t{1} << 30;
  if (image.pixels.size() > kMostBytes)
    fail<ArgumentError>("a picture of {}x{} pixels is too large to be written as PNG", image.width, image.height);
  std::vector<std::uint8_t> out;
  const int stride = image.width * image.channels;
  if (!stbi_write_png_to_func(append, &out, image.width, image.height, image.channels, red_first(image).data(), stride))
    fail<OutOfMemory>("not enough memory to encode a PNG of {}x{} pixels", image.width, image.height);
  return out;
}

}  // namespace boxcar
