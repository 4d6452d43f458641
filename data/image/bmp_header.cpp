#include "boxcar/data/image/bmp_header.h"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace boxcar {
namespace {

constexpr std::size_t kFileHeaderBytes = 14, kCoreHeaderBytes = 12;
constexpr std::uint32_t kUncompressed = 0, kBitFields = 3;

/// Stored as two's complement; a negative height means rows from top to bottom.
std::int64_t as_signed(std::uint32_t value) { return static_cast<std::int32_t>(value); }

}  // namespace

ImageHeader read_bmp_header(Bytes bytes) {
  const std::uint32_t pixels_at = little_endian(bytes, 10, 4);
  const std::uint32_t header_bytes = little_endian(bytes, kFileHeaderBytes, 4);
  const bool core = header_bytes == kCoreHeaderBytes;
  const std::size_t side_bytes = core ? 2 : 4, at = kFileHeaderBytes + 4;
  const std::int64_t width = as_signed(little_endian(bytes, at, side_bytes));
  const std::int64_t height = std::abs(as_signed(little_endian(bytes, at + side_bytes, side_bytes)));
  const std::uint32_t depth = little_endian(bytes, at + 2 * side_bytes + 2, 2);
  const std::uint32_t compression = core ? kUncompressed : little_endian(bytes, at + 12, 4);
  if (compression != kUncompressed && compression != kBitFields)
    fail<DataError>("is a compressed BMP (method {}), which is not supported: save it as PNG", compression);
  constexpr std::array<std::uint32_t, 6> kDepths{1, 4, 8, 16, 24, 32};
  if (std::find(kDepths.begin(), kDepths.end(), depth) == kDepths.end())
    fail<DataError>("is a BMP with {} bits a pixel; 1, 4, 8, 16, 24 or 32 are supported", depth);
  if (width < 1 || height < 1 || width * height > kMaxImagePixels)
    fail<DataError>("is a BMP of {}x{} pixels; at least 1x1 and at most {} pixels are accepted", width, height,
                    kMaxImagePixels);
  const std::int64_t row_bytes = (width * depth + 31) / 32 * 4;
  if (static_cast<std::int64_t>(pixels_at) + row_bytes * height > static_cast<std::int64_t>(bytes.size()))
    fail<DataError>("is a BMP cut short: {}x{} pixels need {} bytes after offset {} of {}", width, height,
                    row_bytes * height, pixels_at, bytes.size());
  return {.format = ImageFormat::kBmp, .height = static_cast<int>(height), .width = static_cast<int>(width)};
}

}  // namespace boxcar
