#include "boxcar/data/image/file_bytes.h"

#include <algorithm>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/descriptor.h"

namespace boxcar {
namespace {

std::vector<std::uint8_t> read_bytes(const InputFile& in, const std::filesystem::path& file, std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  read_exactly(in, file, 0, reinterpret_cast<std::byte*>(bytes.data()), count);
  return bytes;
}

}  // namespace

std::vector<std::uint8_t> read_file_head(const std::filesystem::path& file, std::size_t limit) {
  const InputFile in = open_input(file);
  return read_bytes(in, file, std::min<std::size_t>(in.size, limit));
}

std::vector<std::uint8_t> read_file_bytes(const std::filesystem::path& file, std::size_t limit) {
  const InputFile in = open_input(file);
  if (in.size > limit)
    fail<DataError>("{} has {} bytes; at most {} are read: split it or make it smaller", file.string(), in.size, limit);
  return read_bytes(in, file, in.size);
}

}  // namespace boxcar
