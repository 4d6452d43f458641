#include "boxcar/data/image/jpeg_header.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "boxcar/data/image/orientation.h"

namespace boxcar {
namespace {

enum Marker : std::uint32_t {
  kTem = 0x01,
  kSof0 = 0xC0,
  kSof2 = 0xC2,
  kDht = 0xC4,
  kJpg = 0xC8,
  kSof9 = 0xC9,
  kSof10 = 0xCA,
  kDac = 0xCC,
  kSof15 = 0xCF,
  kRst0 = 0xD0,
  kRst7 = 0xD7,
  kEoi = 0xD9,
  kSos = 0xDA,
  kApp1 = 0xE1,
};

bool is_frame(std::uint32_t m) { return m >= kSof0 && m <= kSof15 && m != kDht && m != kJpg && m != kDac; }
bool has_no_length(std::uint32_t m) { return m == kTem || (m >= kRst0 && m <= kRst7); }

void read_frame(std::uint32_t marker, Bytes segment, ImageHeader& header) {
  if (!(marker <= kSof2 || marker == kSof9 || marker == kSof10))
    fail<DataError>("is a JPEG of a kind (frame type {}) that is not supported: save it again as ordinary JPEG",
                    marker - kSof0);
  header.bits = static_cast<int>(big_endian(segment, 0, 1));
  header.height = static_cast<int>(big_endian(segment, 1, 2));
  header.width = static_cast<int>(big_endian(segment, 3, 2));
  header.channels = static_cast<int>(big_endian(segment, 5, 1));
  if (header.bits != 8) fail<DataError>("is a JPEG with {} bits a channel; 8 are supported", header.bits);
  if (header.channels != 1 && header.channels != 3 && header.channels != 4)
    fail<DataError>("is a JPEG with {} channels; 1, 3 or 4 are supported", header.channels);
}

std::optional<int> orientation_of(Bytes segment) {
  constexpr std::string_view kMagic("Exif\0\0", 6);
  if (segment.size() < kMagic.size() || !std::equal(kMagic.begin(), kMagic.end(), segment.begin())) return {};
  return exif_orientation(segment.subspan(kMagic.size()));
}

/// Position after the next marker's two bytes; bytes between segments and fill bytes are skipped.
std::size_t next_marker(Bytes bytes, std::size_t at, std::uint32_t& marker) {
  for (; at + 1 < bytes.size(); ++at)
    if (bytes[at] == 0xFF && bytes[at + 1] != 0xFF && bytes[at + 1] != 0) {
      marker = bytes[at + 1];
      return at + 2;
    }
  fail<DataError>("is a JPEG cut short before its image data");
}

}  // namespace

ImageHeader read_jpeg_header(Bytes bytes) {
  ImageHeader header{.format = ImageFormat::kJpeg};
  bool have_frame = false, have_exif = false;
  std::size_t at = 2;
  for (;;) {
    std::uint32_t marker = 0;
    at = next_marker(bytes, at, marker);
    if (has_no_length(marker)) continue;
    if (marker == kEoi) fail<DataError>("is a JPEG without image data");
    const std::size_t length = big_endian(bytes, at, 2);
    if (length < 2) fail<DataError>("is a JPEG with a damaged segment at offset {}", at);
    const Bytes segment = slice(bytes, at + 2, length - 2);
    if (marker == kSos) break;
    if (is_frame(marker)) {
      read_frame(marker, segment, header);
      have_frame = true;
    } else if (marker == kApp1 && !have_exif) {
      if (const auto orientation = orientation_of(segment)) {
        header.orientation = *orientation;
        have_exif = true;
      }
    }
    at += length;
  }
  if (!have_frame) fail<DataError>("is a JPEG without a frame header");
  return header;
}

bool jpeg_ends_properly(Bytes bytes) {
  return bytes.size() >= 2 && bytes[bytes.size() - 2] == 0xFF && bytes[bytes.size() - 1] == kEoi;
}

}  // namespace boxcar
