// `boxcar checks`, through the program.
#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "boxcar/kernels/vendor/libraries.h"
#include "boxcar/runtime/device/backend.h"
#include "support/folder.h"
#include "support/process.h"

namespace boxcar {
namespace {

std::string checks() {
  const test::Folder folder;
  const test::Finished finished = test::run_program({BOXCAR_BINARY, "checks"}, folder.path());
  EXPECT_EQ(finished.status, 0) << finished.output;
  return finished.output;
}

bool has_line(const std::string& text, const std::string& pattern) {
  return std::regex_search(text, std::regex("(^|\n)" + pattern + "\n"));
}

TEST(Checks, NamesTheMachine) {
  const std::string text = checks();
  EXPECT_TRUE(has_line(text, "boxcar [0-9]+\\.[0-9]+\\.[0-9]+.*")) << text;
  EXPECT_TRUE(has_line(text, "OS: .*Linux .*")) << text;
  EXPECT_TRUE(has_line(text, "CPU: .+, [0-9]+ threads, .+ arithmetic")) << text;
  EXPECT_TRUE(has_line(text, "memory: [0-9.]+ GiB")) << text;
}

TEST(Checks, NamesCudaAndTheCardsOrSaysThatThereAreNone) {
  const std::string text = checks();
  if (cuda_is_emulated()) {
    EXPECT_TRUE(has_line(text, "CUDA: emulated on the CPU")) << text;
    EXPECT_TRUE(has_line(text, "GPU: [0-9]+ emulated; .*")) << text;
    return;
  }
  const CudaReport report = cuda_report();
  if (report.toolkit == 0) {
    EXPECT_TRUE(has_line(text, "CUDA: not in this program")) << text;
  } else if (report.driver == 0) {
    EXPECT_TRUE(has_line(text, "CUDA: [0-9]+\\.[0-9]+ in this program, there is no NVIDIA driver")) << text;
  } else {
    EXPECT_TRUE(has_line(text, "CUDA: [0-9]+\\.[0-9]+ in this program, the driver knows [0-9]+\\.[0-9]+")) << text;
  }
  const std::string card = report.cards.empty() ? "GPU: none .*" : "GPU 0: .* GiB, compute capability [0-9]+\\.[0-9]+";
  EXPECT_TRUE(has_line(text, card)) << text;
}

TEST(Checks, NamesTheVersionOfEachLibrary) {
  const std::string text = checks();
  for (const kernels::LibraryVersion& library : kernels::library_versions()) {
    const std::string version = library.version.empty() ? "not in this program" : library.version;
    EXPECT_NE(text.find("\n" + library.name + ": " + version + "\n"), std::string::npos) << text;
    if (!library.version.empty()) {
      EXPECT_TRUE(std::regex_match(library.version, std::regex("[0-9]+(\\.[0-9]+){2}"))) << library.version;
    }
  }
  EXPECT_NE(text.find("\noneDNN: "), std::string::npos) << text;
}

}  // namespace
}  // namespace boxcar
