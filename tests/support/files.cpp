#include "support/files.h"

#include <fstream>
#include <iterator>
#include <stdexcept>

namespace boxcar::test {

namespace fs = std::filesystem;

fs::path write_plainly(const fs::path& file, std::string_view content) {
  std::ofstream out(file, std::ios::binary);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  if (!out.flush()) throw std::runtime_error("cannot write " + file.string());
  return file;
}

std::string read_plainly(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

testing::AssertionResult is_line_with(const std::string& message, std::string_view part) {
  if (message.find('\n') != std::string::npos) return testing::AssertionFailure() << "more than one line: " << message;
  if (message.find(part) == std::string::npos) {
    return testing::AssertionFailure() << "no '" << part << "' in: " << message;
  }
  return testing::AssertionSuccess();
}

}  // namespace boxcar::test
