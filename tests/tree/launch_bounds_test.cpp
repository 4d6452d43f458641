// Without __launch_bounds__ the compiler may give a kernel more registers than its block has.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <string>

#include "support/files.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

// Lines of the kernels in `text` that do not say how many threads their blocks have at most.
std::vector<std::ptrdiff_t> unbounded_kernels(const std::string& text) {
  static const std::regex kernel(R"(__global__)");
  static const std::regex bounded(R"(__global__\s+void\s+__launch_bounds__\(\s*\w)");
  std::vector<std::ptrdiff_t> lines;
  for (std::sregex_iterator found(text.begin(), text.end(), kernel), end; found != end; ++found) {
    const auto at = text.begin() + found->position();
    if (std::regex_search(at, text.end(), bounded, std::regex_constants::match_continuous)) continue;
    lines.push_back(std::count(text.begin(), at, '\n') + 1);
  }
  return lines;
}

TEST(LaunchBounds, UnboundedKernelsAreFound) {
  EXPECT_EQ(unbounded_kernels("__global__ void\n    __launch_bounds__(kThreads) a_kernel() {}\n"
                              "\n__global__ void b_kernel() {}\n"),
            std::vector<std::ptrdiff_t>{4});
}

TEST(LaunchBounds, EveryKernelHasThem) {
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(BOXCAR_SOURCE_DIR) / "kernels")) {
    const std::string suffix = entry.path().extension().string();
    if (suffix != ".cu" && suffix != ".h") continue;
    // The emulation defines these words.
    if (entry.path().string().find("/emulation/") != std::string::npos) continue;
    files += suffix == ".cu";
    for (const auto line : unbounded_kernels(test::read_plainly(entry.path()))) {
      ADD_FAILURE() << entry.path().string() << ":" << line
                    << ": a kernel needs __launch_bounds__ right after its type";
    }
  }
  EXPECT_GT(files, 2);
}

}  // namespace
}  // namespace boxcar
