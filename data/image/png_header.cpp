#include "boxcar/data/image/png_header.h"

#include <zlib.h>

#include <algorithm>
#include <string>

#include "boxcar/data/image/orientation.h"

namespace boxcar {
namespace {

constexpr std::size_t kSignatureBytes = 8, kHeaderBytes = 13;

int channels_of(std::uint32_t colour_type) {
  switch (colour_type) {
    case 0:
      return 1;
    case 2:
      return 3;
    case 3:
      return 3;  // palette
    case 4:
      return 2;
    case 6:
      return 4;
    default:
      fail<DataError>("is a PNG with the unknown colour type {}", colour_type);
  }
}

void read_ihdr(Bytes data, ImageHeader& header) {
  if (data.size() != kHeaderBytes) fail<DataError>("is a PNG whose header chunk has {} bytes", data.size());
  const std::uint32_t width = big_endian(data, 0, 4), height = big_endian(data, 4, 4);
  if (width > 0x7FFFFFFF || height > 0x7FFFFFFF) fail<DataError>("is a PNG of an impossible size");
  header.width = static_cast<int>(width);
  header.height = static_cast<int>(height);
  header.bits = static_cast<int>(big_endian(data, 8, 1));
  header.channels = channels_of(big_endian(data, 9, 1));
}

/// A chunk's name for a message; damaged files hold anything here.
std::string printable(Bytes type) {
  std::string name;
  for (const std::uint8_t c : type) name += c >= 0x21 && c < 0x7F ? static_cast<char>(c) : '?';
  return name;
}

bool is(Bytes type, std::string_view name) { return std::equal(name.begin(), name.end(), type.begin()); }

}  // namespace

ImageHeader read_png_header(Bytes bytes) {
  ImageHeader header{.format = ImageFormat::kPng};
  bool have_data = false;
  for (std::size_t at = kSignatureBytes;;) {
    if (at >= bytes.size()) fail<DataError>("is a PNG cut short: its end chunk is missing");
    const std::size_t length = big_endian(bytes, at, 4);
    const Bytes checked = slice(bytes, at + 4, length + 4), type = checked.first(4), data = checked.subspan(4);
    if (crc32(0, checked.data(), static_cast<uInt>(checked.size())) != big_endian(bytes, at + 8 + length, 4))
      fail<DataError>("is a damaged PNG: the checksum of its {} chunk is wrong", printable(type));
    const bool first = at == kSignatureBytes;
    if (first != is(type, "IHDR")) fail<DataError>("is a PNG whose header chunk is not the first");
    if (first) read_ihdr(data, header);
    if (is(type, "IDAT")) have_data = true;
    if (is(type, "eXIf")) header.orientation = exif_orientation(data);
    if (is(type, "IEND")) break;
    at += length + 12;
  }
  if (!have_data) fail<DataError>("is a PNG without image data");
  return header;
}

}  // namespace boxcar
