// A zip archive whose entries are not compressed, as PyTorch writes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

struct zip;

namespace boxcar {

/// Reads entries through the central directory. Errors are IoErrors about the content ("it is not a complete zip
/// archive"), for the caller to put the file's name in front of. Not for use from several threads at once.
class StoredZip {
 public:
  /// Throws IoError: unreadable (that message names the path), no zip archive, an entry twice, or entries that claim
  /// more bytes than the file has.
  explicit StoredZip(const std::filesystem::path& path);

  std::uint64_t file_bytes() const { return file_bytes_; }
  const std::vector<std::string>& names() const { return names_; }
  bool contains(const std::string& name) const { return indices_.contains(name); }
  /// Bytes of an entry. Throws IoError where there is none, or it is compressed or encrypted.
  std::uint64_t size_of_entry(const std::string& name) const;
  /// The content of an entry, its checksum verified. Throws IoError as above, and where it is damaged.
  std::vector<std::byte> read(const std::string& name) const;

 private:
  struct Close {
    void operator()(zip* archive) const;
  };
  void list_entries();
  std::uint64_t index_of(const std::string& name) const;

  std::unique_ptr<zip, Close> archive_;
  std::uint64_t file_bytes_ = 0;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::uint64_t> indices_;
};

}  // namespace boxcar
