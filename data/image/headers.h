// What the first bytes of an image file say: format, size, orientation.
#pragma once

#include <cstdint>
#include <string_view>

#include "boxcar/data/image/bytes.h"

namespace boxcar {

enum class ImageFormat { kUnknown, kJpeg, kPng, kBmp };

std::string_view format_name(ImageFormat format);

/// The format that the contents show. A format that is recognised but not supported (WebP,
/// TIFF, GIF, AVIF, HEIC, JPEG 2000) is refused by name with a DataError, and so is anything else.
ImageFormat detect_format(Bytes bytes);

struct ImageHeader {
  ImageFormat format = ImageFormat::kUnknown;
  int height = 0, width = 0;  // as stored, before the orientation is applied
  int orientation = 1;
  int channels = 3;  // as stored: 1 grey, 3 colour or palette, 4 CMYK or with alpha, 2 grey with alpha
  int bits = 8;      // a channel
};

/// Reads the headers of a whole file, or of the head of one (enough to reach the image data).
/// For PNG every chunk is walked and its checksum compared, so that the whole file is needed.
/// Throws DataError: not an image, unsupported, damaged, larger than kMaxImagePixels, or far
/// larger than so few bytes can hold (`file_bytes`: the size of the whole file).
ImageHeader read_image_header(Bytes bytes, std::size_t file_bytes);

/// The reference's image library refuses more pixels than this too.
inline constexpr std::int64_t kMaxImagePixels = 178'956'970;

}  // namespace boxcar
