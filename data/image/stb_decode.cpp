#include "boxcar/data/image/stb_decode.h"

#include <cstdlib>
#include <limits>
#include <memory>

namespace {

// Compressed PNG data may unpack to anything; what its picture cannot need is refused, so that a
// small file cannot claim the machine's memory. Set for the duration of one call on one thread.
thread_local std::size_t allocation_limit = 0;

void* limited_malloc(std::size_t bytes) { return bytes <= allocation_limit ? std::malloc(bytes) : nullptr; }
void* limited_realloc(void* block, std::size_t bytes) {
  return bytes <= allocation_limit ? std::realloc(block, bytes) : nullptr;
}

}  // namespace

#define STBI_MALLOC(bytes) limited_malloc(bytes)
#define STBI_REALLOC(block, bytes) limited_realloc(block, bytes)
#define STBI_FREE(block) std::free(block)
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS (1 << 28)  // headers.h bounds the number of pixels
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace boxcar {
namespace {

struct Free {
  void operator()(stbi_uc* p) const { stbi_image_free(p); }
};

/// Grey as the reference's library weighs it: 0.114 B + 0.587 G + 0.299 R in 14 bits.
std::uint8_t grey_of(const stbi_uc* rgb) {
  return static_cast<std::uint8_t>((4899 * rgb[0] + 9617 * rgb[1] + 1868 * rgb[2] + (1 << 13)) >> 14);
}

Image from_rgb(const stbi_uc* rgb, int height, int width, int channels) {
  Image image{height, width, channels, {}};
  const std::size_t pixels = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  image.pixels.resize(pixels * static_cast<std::size_t>(channels));
  std::uint8_t* to = image.pixels.data();
  for (std::size_t i = 0; i < pixels; ++i, rgb += 3) {
    if (channels == 1) {
      *to++ = grey_of(rgb);
      continue;
    }
    for (const int c : {2, 1, 0}) *to++ = rgb[c];
  }
  return image;
}

}  // namespace

Image decode_png_or_bmp(Bytes bytes, const ImageHeader& header, int channels) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    fail<DataError>("has {} bytes; {} files of up to 2 GiB are read", bytes.size(), format_name(header.format));
  const std::size_t pixels = static_cast<std::size_t>(header.height) * static_cast<std::size_t>(header.width);
  allocation_limit = 4 * bytes.size() + 16 * pixels + 65536;
  int width = 0, height = 0, stored = 0;
  const std::unique_ptr<stbi_uc, Free> rgb(
      stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &stored, 3));
  if (!rgb) fail<DataError>("is a damaged {} ({})", format_name(header.format), stbi_failure_reason());
  if (width != header.width || height != header.height)
    fail<DataError>("is a damaged {}: its header names {}x{} pixels, its data {}x{}", format_name(header.format),
                    header.width, header.height, width, height);
  return from_rgb(rgb.get(), height, width, channels);
}

}  // namespace boxcar
