// Arrows between folders go down only: runtime < kernels < nn, data < trainers; nn and data do not
// see each other (docs/design.md).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

namespace {

namespace fs = std::filesystem;

const std::map<std::string, std::set<std::string>> kMayInclude{
    {"runtime", {"runtime"}},
    {"kernels", {"runtime", "kernels"}},
    {"nn", {"runtime", "kernels", "nn"}},
    {"data", {"runtime", "kernels", "data"}},
    {"trainers", {"runtime", "kernels", "nn", "data", "trainers"}}};

bool is_source(const fs::path& file) {
  const std::string suffix = file.extension().string();
  return suffix == ".h" || suffix == ".cpp" || suffix == ".cu";
}

// "kernels" of #include "boxcar/kernels/...", else nothing.
std::string included_folder(const std::string& line) {
  constexpr std::string_view kPrefix = "boxcar/";
  if (!line.starts_with("#include")) return {};
  const auto begin = line.find(kPrefix);
  if (begin == std::string::npos) return {};
  const auto folder = begin + kPrefix.size(), end = line.find('/', folder);
  return end == std::string::npos ? std::string() : line.substr(folder, end - folder);
}

TEST(Layers, IncludesGoDownOnly) {
  int files = 0;
  for (const auto& [folder, allowed] : kMayInclude) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(BOXCAR_SOURCE_DIR) / folder)) {
      if (!entry.is_regular_file() || !is_source(entry.path())) continue;
      ++files;
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) {
        const std::string included = included_folder(line);
        if (!included.empty()) {
          EXPECT_EQ(allowed.count(included), 1u) << entry.path() << " includes " << included << "/";
        }
      }
    }
  }
  EXPECT_GT(files, 100);
}

// Outside launch.h, dispatch.h and the emulation's own files nothing depends on emulation.
TEST(Layers, EmulationIsKnownInFewPlaces) {
  for (const auto& [folder, allowed] : kMayInclude) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(BOXCAR_SOURCE_DIR) / folder)) {
      if (!entry.is_regular_file() || !is_source(entry.path())) continue;
      const std::string path = entry.path().string();
      if (path.find("emulat") != std::string::npos || path.ends_with("launch.h")) continue;
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) {
        EXPECT_EQ(line.find("BOXCAR_EMULATE_CUDA"), std::string::npos) << path;
      }
    }
  }
}

}  // namespace
