// Every kernel of kernels/ runs in some test of this suite.
//
// A process that runs all tests looks at its end. ctest runs each test in a process of its own: there each writes down
// which tests and kernels it ran, and KernelCoverage.EveryKernelRan, which comes last, looks at all of it. Where only
// a part of the suite ran there is nothing to say.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>

#include "boxcar/kernels/common/emulation/scheduler.h"

namespace boxcar::kernels {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

constexpr const char* kOwnSuite = "KernelCoverage";

// Set by ctest: a folder for what the processes write down.
const char* log_folder() { return std::getenv("BOXCAR_KERNEL_LOG"); }

std::string without_comments(const fs::path& path) {
  std::ifstream in(path);
  std::string text;
  for (std::string line; std::getline(in, line);) text += line.substr(0, line.find("//")) + '\n';
  return text;
}

// Calls f(match) for each place of the text that fits.
template <class F>
void for_each_match(const std::string& text, const char* pattern, F&& f) {
  const std::regex regex(pattern);
  for (std::sregex_iterator i(text.begin(), text.end(), regex), end; i != end; ++i) f(*i);
}

// The kernels of one file's text, and the names under which its launches queue each.
std::map<std::string, Names> kernels_of(const std::string& text) {
  std::map<std::string, Names> kernels;
  for_each_match(text, R"(__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\()",
                 [&](const std::smatch& m) { kernels[m[1]]; });
  for_each_match(text, R"re(\blaunch\(\s*"(\w+)"\s*,([^;]*);)re", [&](const std::smatch& launch) {
    for_each_match(launch[2], R"(\w+)", [&](const std::smatch& word) {
      if (const auto kernel = kernels.find(word.str()); kernel != kernels.end()) kernel->second.insert(launch[1]);
    });
  });
  return kernels;
}

int occurrences(const std::string& text, const std::string& word) {
  int count = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

void expect_every_kernel_among(const Names& ran) {
  std::size_t found = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(BOXCAR_SOURCE_DIR) / "kernels")) {
    if (entry.path().extension() != ".cu") continue;
    const std::string text = without_comments(entry.path());
    const auto kernels = kernels_of(text);
    EXPECT_EQ(kernels.size(), occurrences(text, "__global__"))
        << entry.path() << " has a kernel whose name this test does not find";
    found += kernels.size();
    for (const auto& [kernel, names] : kernels) {
      EXPECT_FALSE(names.empty()) << kernel << " of " << entry.path() << " is never launched";
      for (const std::string& name : names) {
        EXPECT_TRUE(ran.contains(name)) << kernel << " of " << entry.path() << ", launched as \"" << name
                                        << "\", ran in no test of kernels_test; add one on test::devices()";
      }
    }
  }
  EXPECT_GE(found, 20u);
}

// Tests of this suite, or those of them that ran in this process.
Names tests(bool that_ran) {
  Names names;
  const auto& all = *testing::UnitTest::GetInstance();
  for (int s = 0; s < all.total_test_suite_count(); ++s) {
    const testing::TestSuite& suite = *all.GetTestSuite(s);
    for (int t = 0; t < suite.total_test_count(); ++t) {
      const testing::TestInfo& test = *suite.GetTestInfo(t);
      const std::string name = std::string(suite.name()) + "." + test.name();
      const bool counts = suite.name() != std::string(kOwnSuite) && name.find("DISABLED_") == std::string::npos;
      if (counts && (test.should_run() || !that_ran)) names.insert(name);
    }
  }
  return names;
}

Names kernels_that_ran_here() {
  const std::vector<std::string> names = emulation::kernels_that_ran();
  return {names.begin(), names.end()};
}

class AtTheEnd : public testing::Environment {
  void TearDown() override {
    const Names ran = tests(true);
    if (ran.empty()) return;  // this is the process that looks at all of it
    if (ran == tests(false)) expect_every_kernel_among(kernels_that_ran_here());
    if (!log_folder()) return;
    fs::create_directories(log_folder());
    std::ofstream out(fs::path(log_folder()) / std::to_string(getpid()), std::ios::app);
    for (const std::string& test : ran) out << "test " << test << '\n';
    for (const std::string& kernel : kernels_that_ran_here()) out << "kernel " << kernel << '\n';
  }
};
[[maybe_unused]] const auto* const at_the_end = testing::AddGlobalTestEnvironment(new AtTheEnd);

TEST(KernelCoverage, EveryKernelRan) {
  if (!log_folder() || !fs::exists(log_folder())) GTEST_SKIP() << "looked at when all tests have run";
  Names ran, kernels;
  for (const auto& entry : fs::directory_iterator(log_folder())) {
    std::ifstream in(entry.path());
    for (std::string kind, name; in >> kind >> name;) (kind == "test" ? ran : kernels).insert(name);
  }
  if (ran != tests(false)) GTEST_SKIP() << "only a part of the suite ran";
  expect_every_kernel_among(kernels);
}

TEST(KernelCoverage, FindsKernelsAndTheirLaunches) {
  const auto kernels = kernels_of(
      "template <int k>\n__global__ void __launch_bounds__(kMany)\n    a_kernel(int x);\n__global__ void b_kernel() "
      "{}\n"
      "launch(\"a\", wide ? a_kernel<4> : a_kernel<1>, grid);\nlaunch(\n\"again\",\n a_kernel<2>, grid);");
  EXPECT_EQ(kernels, (std::map<std::string, Names>{{"a_kernel", {"a", "again"}}, {"b_kernel", {}}}));
}

}  // namespace
}  // namespace boxcar::kernels
