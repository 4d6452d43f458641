// A folder that appears complete or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace boxcar {

/// Files are written into a folder beside `target`, which commit() renames to it. Without commit()
/// nothing is left behind.
class OutputFolder {
 public:
  /// Throws ArgumentError where `target` exists and is not an empty folder, IoError where its
  /// surroundings cannot be written.
  explicit OutputFolder(std::filesystem::path target);
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;
  ~OutputFolder();

  /// Writes a file at a relative path, making its folders; from many threads at once if the paths
  /// differ. Throws IoError, and ArgumentError for a path that leads out of the folder.
  void write(const std::filesystem::path& relative, std::string_view text) const;
  void write(const std::filesystem::path& relative, std::span<const std::uint8_t> bytes) const;
  void copy(const std::filesystem::path& from, const std::filesystem::path& relative) const;
  /// A symbolic link to the absolute path of `to`.
  void link(const std::filesystem::path& to, const std::filesystem::path& relative) const;
  void make_folder(const std::filesystem::path& relative) const;
  void commit();

 private:
  std::filesystem::path place(const std::filesystem::path& relative) const;

  std::filesystem::path target_, temporary_;  // the second empty once renamed
};

}  // namespace boxcar
