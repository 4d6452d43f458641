#include "boxcar/data/image/headers.h"

#include <algorithm>
#include <array>
#include <string>

#include "boxcar/data/image/bmp_header.h"
#include "boxcar/data/image/jpeg_header.h"
#include "boxcar/data/image/png_header.h"

namespace boxcar {
namespace {

bool has(Bytes bytes, std::size_t at, std::string_view text) {
  if (bytes.size() < at + text.size()) return false;
  return std::equal(text.begin(), text.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

struct Foreign {
  std::size_t at;
  std::string_view magic, name;
};

constexpr std::array kForeign{
    Foreign{0, "GIF8", "a GIF"},
    Foreign{8, "WEBP", "a WebP"},
    Foreign{0, {"II*\0", 4}, "a TIFF or DNG"},
    Foreign{0, {"MM\0*", 4}, "a TIFF or DNG"},
    Foreign{4, "ftypavif", "an AVIF"},
    Foreign{4, "ftypheic", "a HEIC"},
    Foreign{4, "ftypmif1", "a HEIF"},
    Foreign{4, {"jP  \r\n", 6}, "a JPEG 2000"},
    Foreign{0, "\xFF\x4F\xFF\x51", "a JPEG 2000"},
};

/// The most pixels that one byte of a file can stand for; one more pixel is a lie. JPEG: a bit for a
/// minimum unit of 32x32 pixels in a progressive scan; PNG: deflate shrinks at most 1032 times, one bit
/// a pixel; BMP: one bit a pixel.
std::int64_t most_pixels_a_byte(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return 8 * 32 * 32;
    case ImageFormat::kPng:
      return 1032 * 8;
    default:
      return 8;
  }
}

void check_size(const ImageHeader& h, std::size_t file_bytes) {
  if (h.height < 1 || h.width < 1) fail<DataError>("has a size of {}x{} pixels", h.width, h.height);
  const std::int64_t pixels = std::int64_t{h.height} * h.width;
  if (pixels > kMaxImagePixels)
    fail<DataError>("claims {}x{} pixels; at most {} are accepted: scale it down", h.width, h.height, kMaxImagePixels);
  if (pixels / most_pixels_a_byte(h.format) > static_cast<std::int64_t>(file_bytes))
    fail<DataError>("claims {}x{} pixels, which {} bytes cannot hold", h.width, h.height, file_bytes);
}

ImageHeader parse_header(Bytes bytes) {
  switch (detect_format(bytes)) {
    case ImageFormat::kJpeg:
      return read_jpeg_header(bytes);
    case ImageFormat::kPng:
      return read_png_header(bytes);
    default:
      return read_bmp_header(bytes);
  }
}

}  // namespace

std::string_view format_name(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return "JPEG";
    case ImageFormat::kPng:
      return "PNG";
    case ImageFormat::kBmp:
      return "BMP";
    default:
      return "unknown";
  }
}

ImageFormat detect_format(Bytes bytes) {
  if (bytes.empty()) fail<DataError>("is empty (0 bytes)");
  if (has(bytes, 0, "\xFF\xD8\xFF")) return ImageFormat::kJpeg;
  if (has(bytes, 0, "\x89PNG\r\n\x1A\n")) return ImageFormat::kPng;
  if (has(bytes, 0, "BM")) return ImageFormat::kBmp;
  for (const Foreign& f : kForeign)
    if (has(bytes, f.at, f.magic))
      fail<DataError>("is {} file by its contents, which is not supported: convert it to JPEG or PNG", f.name);
  fail<DataError>("is not an image in a supported format (JPEG, PNG, BMP)");
}

ImageHeader read_image_header(Bytes bytes, std::size_t file_bytes) {
  const ImageHeader header = parse_header(bytes);
  check_size(header, file_bytes);
  return header;
}

}  // namespace boxcar
