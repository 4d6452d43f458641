// Writes a zip archive without compression, the same bytes for the same content.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "boxcar/runtime/files/atomic_file.h"

namespace boxcar {

/// Entries one after the other, streamed to an AtomicFile. All carry the date 1980-01-01 00:00, the contents begin at
/// multiples of 64 bytes (so that a reader may map them), sizes and checksums stand in front of the contents.
///
/// By hand and not through libzip: it neither aligns contents nor streams into a file of ours, and a stored archive is
/// three small records. Up to 65534 entries and 4 GiB - 1, the bounds of a zip archive without extensions.
class StoredZipWriter {
 public:
  explicit StoredZipWriter(const std::filesystem::path& path) : path_(path), file_(path) {}

  /// Throws IoError where the file cannot be written or the archive would exceed its bounds.
  void add(std::string_view name, std::span<const std::byte> content);
  void add(std::string_view name, std::string_view content);
  /// Writes the central directory and puts the file in place.
  void commit();

 private:
  void check_bounds(std::uint64_t more_bytes) const;

  std::filesystem::path path_;
  AtomicFile file_;
  std::string directory_;
  std::uint32_t entries_ = 0;
};

}  // namespace boxcar
