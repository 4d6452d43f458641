#include "boxcar/data/image/encode.h"

#include "boxcar/data/image/suffix.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/atomic_file.h"

namespace boxcar {

namespace {

void write_bytes(const std::filesystem::path& file, const std::vector<std::uint8_t>& bytes) {
  std::error_code error;  // a folder that cannot be made shows up as a file that cannot be written
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path(), error);
  write_file_atomically(file, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

void write_image(const std::filesystem::path& file, const Image& image, const JpegOptions& options) {
  const std::string suffix = lower_suffix(file);
  if (suffix == "jpg" || suffix == "jpeg") return write_bytes(file, encode_jpeg(image, options));
  if (suffix == "png") return write_bytes(file, encode_png(image));
  fail<ArgumentError>("cannot write the picture {}: its suffix must be .jpg, .jpeg or .png", file.string());
}

}  // namespace boxcar
