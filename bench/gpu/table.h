// Tables as text: values separated by tabs, a line of names first. scripts/gpu-check puts them into its report.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

namespace boxcar::bench {

/// Written line by line, so that a program that is stopped leaves what it had.
class Table {
 public:
  /// Throws boxcar::IoError if the file cannot be written.
  Table(const std::filesystem::path& file, const std::vector<std::string>& names);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  /// Tabs and line ends within values become spaces.
  void row(const std::vector<std::string>& values);

 private:
  std::FILE* file_;
};

}  // namespace boxcar::bench
