// A folder of its own for one test, removed at its end.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace boxcar::test {

class Folder {
 public:
  Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& relative) const { return path_ / relative; }

  /// Writes a file, making its folders; returns its path.
  std::filesystem::path write(const std::string& relative, std::string_view text) const;
  std::string read(const std::string& relative) const;
  /// All files below it, relative, sorted.
  std::vector<std::string> files() const;
  /// Names of the entries of the folder itself, sorted, with a blank between them.
  std::string listing() const;

 private:
  std::filesystem::path path_;
};

}  // namespace boxcar::test
