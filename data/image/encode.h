// Pixels to image files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "boxcar/data/image/image.h"

namespace boxcar {

struct JpegOptions {
  int quality = 90;              // 1 to 100
  bool subsample_chroma = true;  // 4:2:0; otherwise 4:4:4
};

/// The bytes of a file for a picture of one (grey) or three (B, G, R) channels. The same picture gives
/// the same bytes. Throws ArgumentError on an empty picture, other channels, or a bad quality.
std::vector<std::uint8_t> encode_jpeg(const Image& image, const JpegOptions& options = {});
std::vector<std::uint8_t> encode_png(const Image& image);

/// Writes a JPEG or PNG as the suffix says (.jpg, .jpeg, .png in any case), atomically: a reader sees the
/// old file or the whole new one. Makes the folder. Throws ArgumentError on another suffix, IoError.
void write_image(const std::filesystem::path& file, const Image& image, const JpegOptions& options = {});

}  // namespace boxcar
