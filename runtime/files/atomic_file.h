// Whole files: written so that a reader sees the old content or the new, never a part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "boxcar/runtime/files/descriptor.h"

namespace boxcar {

/// Writes a file through a temporary one in the same folder. commit() flushes it to the disk, renames it over the
/// old file and flushes the folder; until then the old file is untouched. Without commit() the temporary is removed.
/// A symbolic link is followed, an old file keeps its permissions, a new one has those of the process's umask.
/// Every failure (missing folder, no permission, full disk, a target that is a folder or device) is an IoError
/// naming the file and the reason.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void append(std::string_view text);
  void append(std::span<const std::byte> bytes);
  /// Bytes appended so far: the offset of the next one.
  std::uint64_t size() const { return size_; }
  /// Puts the file in place. Nothing may be appended afterwards.
  void commit();

 private:
  void write_buffer();
  void write_all(const char* data, std::size_t count);

  std::filesystem::path path_;       // as given, for messages
  std::filesystem::path target_;     // where it leads
  std::filesystem::path temporary_;  // empty once renamed
  Descriptor descriptor_;
  std::string buffer_;
  std::uint64_t size_ = 0;
};

/// Removes the temporaries that killed processes left in a folder, which nobody else may be writing to. What cannot be
/// removed stays.
void remove_unfinished_files(const std::filesystem::path& folder);

/// Writes `content` as one AtomicFile.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// The whole content of a regular file. Throws IoError where it cannot be read or holds more than `max_bytes`.
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes);

}  // namespace boxcar
