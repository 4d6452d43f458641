// Image and label files as bytes, with a bound on their size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace boxcar {

/// The file's first `limit` bytes, or all of it where it is shorter. Throws IoError when it
/// cannot be read or is not a regular file.
std::vector<std::uint8_t> read_file_head(const std::filesystem::path& file, std::size_t limit);

/// The whole file. Throws IoError as above, DataError when it is larger than `limit` bytes.
std::vector<std::uint8_t> read_file_bytes(const std::filesystem::path& file, std::size_t limit);

}  // namespace boxcar
