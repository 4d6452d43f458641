#include "boxcar/data/image/decode.h"

#include <fstream>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "boxcar/data/image/file_bytes.h"
#include "boxcar/data/image/jpeg_decode.h"
#include "boxcar/data/image/jpeg_header.h"
#include "boxcar/data/image/orientation.h"
#include "boxcar/data/image/stb_decode.h"

namespace boxcar {
namespace {

constexpr std::size_t kMostFileBytes = std::size_t{1} << 30;
constexpr std::size_t kHeadBytes = 64 * 1024;  // JPEG headers rarely take more

Image decode_stored(Bytes bytes, const DecodeOptions& options) {
  const ImageHeader header = read_image_header(bytes, bytes.size());
  Image image = header.format == ImageFormat::kJpeg ? decode_jpeg(bytes, header, options.channels, options.strict)
                                                    : decode_png_or_bmp(bytes, header, options.channels);
  return apply_orientation(std::move(image), header.orientation);
}

ImageProbe probe_of(const ImageHeader& header) {
  ImageProbe probe{.ok = true, .format = header.format, .height = header.height, .width = header.width};
  if (swaps_sides(header.orientation)) std::swap(probe.height, probe.width);
  if (probe.height < kMinImageSide || probe.width < kMinImageSide) {
    probe.ok = false;
    probe.problem =
        fmt::format("has {}x{} pixels; both sides must be at least {}", probe.width, probe.height, kMinImageSide);
  }
  return probe;
}

ImageProbe problem(const char* what) {
  ImageProbe probe;
  probe.problem = what;
  return probe;
}

/// A short file, or a JPEG that ends as it should, judged by its head and its last two bytes; nothing where
/// that is not enough and the whole file has to be read.
std::optional<ImageProbe> probe_head(const std::filesystem::path& file) {
  const std::vector<std::uint8_t> head = read_file_head(file, kHeadBytes);
  if (head.size() < kHeadBytes) return probe_image(head);  // that was all of it
  if (detect_format(head) != ImageFormat::kJpeg) return {};
  std::ifstream in(file, std::ios::binary);
  in.seekg(-2, std::ios::end);
  const auto file_bytes = static_cast<std::size_t>(in.tellg()) + 2;
  char tail[2] = {};
  if (!in.read(tail, 2)) return {};
  if (!jpeg_ends_properly({reinterpret_cast<const std::uint8_t*>(tail), 2})) return {};
  try {
    return probe_of(read_image_header(head, file_bytes));
  } catch (const DataError&) {  // perhaps only because the headers are longer than the head
    return {};
  }
}

}  // namespace

Image decode_image(Bytes bytes, std::string_view name, const DecodeOptions& options) {
  if (options.channels != 1 && options.channels != 3)
    fail<ArgumentError>("images are decoded to 1 or 3 channels, not {}", options.channels);
  try {
    return decode_stored(bytes, options);
  } catch (const DataError& e) {
    fail<DataError>("{} {}", name, e.what());
  }
}

Image decode_image(const std::filesystem::path& file, const DecodeOptions& options) {
  return decode_image(read_file_bytes(file, kMostFileBytes), file.string(), options);
}

ImageProbe probe_image(Bytes bytes) {
  try {
    const ImageHeader header = read_image_header(bytes, bytes.size());
    ImageProbe probe = probe_of(header);
    if (header.format == ImageFormat::kJpeg && !jpeg_ends_properly(bytes)) {
      decode_jpeg(bytes, header, 3, false);
      probe.repaired = true;
    }
    return probe;
  } catch (const Error& e) {
    return problem(e.what());
  }
}

ImageProbe probe_image(const std::filesystem::path& file) {
  try {
    if (auto probe = probe_head(file)) return *probe;
    return probe_image(read_file_bytes(file, kMostFileBytes));
  } catch (const DataError& e) {
    return problem(e.what());
  } catch (const IoError& e) {
    return problem(e.what());
  }
}

}  // namespace boxcar
