// Scratch folders and errors, for tests of files.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "boxcar/runtime/base/error.h"

namespace boxcar::test {

/// A new folder, removed with all it holds at the end of the scope.
class ScratchFolder {
 public:
  ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  /// Names of the entries, sorted, with a blank between them.
  std::string listing() const;

 private:
  std::filesystem::path path_;
};

/// Writes `content` plainly.
std::filesystem::path write_plainly(const std::filesystem::path& file, std::string_view content);
/// The content of a file; empty where it cannot be read.
std::string read_plainly(const std::filesystem::path& file);

/// The message of the E that `action` throws; a failed expectation and "" where it throws none.
template <class E = Error, class F>
std::string message_of(F&& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another exception: " << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

/// Whether `message` is a single line that holds `part`.
testing::AssertionResult is_line_with(const std::string& message, std::string_view part);

}  // namespace boxcar::test
