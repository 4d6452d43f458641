// Image files to pixels, and the check that each image of a data set has to pass.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "boxcar/data/image/headers.h"
#include "boxcar/data/image/image.h"

namespace boxcar {

struct DecodeOptions {
  int channels = 3;     // 3: B, G, R; 1: grey
  bool strict = false;  // refuse a JPEG whose data is damaged somewhere but can still be shown
};

/// Decodes JPEG, PNG or BMP, recognised by the contents, and turns it upright (EXIF). Grey becomes
/// three equal channels, alpha is dropped without blending, 16 bits become their high byte, palettes
/// colours. A JPEG without its end marker or with bytes after it is decoded all the same; no file is
/// ever altered. Throws DataError naming `name` where the bytes are no supported, sound image.
Image decode_image(Bytes bytes, std::string_view name, const DecodeOptions& options = {});

/// The same for a file; IoError where it cannot be read.
Image decode_image(const std::filesystem::path& file, const DecodeOptions& options = {});

/// Both sides of an image in a data set must be at least this long.
inline constexpr int kMinImageSide = 10;

/// What the check of one image found.
struct ImageProbe {
  bool ok = false;
  ImageFormat format = ImageFormat::kUnknown;
  int height = 0, width = 0;  // upright; 0 where unknown
  bool repaired = false;      // a JPEG that does not end with its end marker, but decodes
  std::string problem = "";   // why it is not ok: completes the sentence "<file> ..."
};

/// The check of section 4 of the data facts: it opens, its checksums are right (PNG), its sides
/// are >= 10 pixels and its format is supported. A JPEG is decoded only when it does not end with its end
/// marker; otherwise a few kilobytes of it are read. Never throws for bad contents or an unreadable file.
ImageProbe probe_image(Bytes bytes);
ImageProbe probe_image(const std::filesystem::path& file);

}  // namespace boxcar
