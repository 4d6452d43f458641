#include "table.h"

#include <cerrno>
#include <cstring>

#include "boxcar/runtime/base/error.h"

namespace boxcar::bench {

Table::Table(const std::filesystem::path& file, const std::vector<std::string>& names)
    : file_(std::fopen(file.c_str(), "w")) {
  if (!file_) fail<IoError>("cannot write {}: {}", file.string(), std::strerror(errno));
  row(names);
}

Table::~Table() { std::fclose(file_); }

void Table::row(const std::vector<std::string>& values) {
  std::string line;
  for (const std::string& value : values) {
    if (!line.empty() || &value != &values.front()) line += '\t';
    for (const char c : value) line += c == '\t' || c == '\n' ? ' ' : c;
  }
  std::fprintf(file_, "%s\n", line.c_str());
  std::fflush(file_);
}

}  // namespace boxcar::bench
