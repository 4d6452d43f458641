// Plain files and messages of errors, for tests of files.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "boxcar/runtime/base/error.h"

namespace boxcar::test {

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
