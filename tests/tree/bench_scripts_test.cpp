// bench/compare and bench/coco-check where something they need is missing: one sentence, before anything is installed.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/folder.h"
#include "support/process.h"

namespace boxcar {
namespace {

const std::string kBench = std::string(BOXCAR_SOURCE_DIR) + "/bench/";

struct Case {
  std::vector<std::string> words;  // after /usr/bin/env
  int status;
  std::string sentence;
};

TEST(BenchScripts, SayWhatIsMissing) {
  const test::Folder folder;
  const std::string program = folder.write("boxcar", "#!/bin/sh\n").string();
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const std::string old =
      folder.write("python", "#!/bin/sh\n[ \"$1\" = --version ] && echo Python 3.9.2\nexit 1\n").string();
  std::filesystem::permissions(old, std::filesystem::perms::owner_all);
  const std::string scripts = (folder / "copy/bench").string();
  std::filesystem::create_directories(scripts);
  std::filesystem::copy(kBench + "reference", scripts + "/reference");
  for (const char* script : {"compare", "coco-check"}) std::filesystem::copy(kBench + script, scripts + "/" + script);

  const std::vector<Case> cases = {
      {{scripts + "/compare"}, 2, "usage: bench/compare train|val|predict"},
      {{scripts + "/compare", "export"}, 2, "usage: bench/compare train|val|predict"},
      {{scripts + "/coco-check"}, 2, "usage: bench/coco-check model=WEIGHTS data=FILE"},
      {{"--unset=BOXCAR", scripts + "/compare", "train"},
       1,
       "compare: there is no program " + (folder / "copy").string()},
      {{"BOXCAR=" + program, "PYTHON=no-such-python", scripts + "/compare", "train"},
       1,
       "compare: there is no no-such-python: install Python 3.11 or newer"},
      {{"BOXCAR=" + program, "PYTHON=" + old, scripts + "/coco-check", "model=a.pt"},
       1,
       "coco-check: Python 3.9.2 is too old for the reference's framework"},
  };
  for (const Case& c : cases) {
    std::vector<std::string> words = {"/usr/bin/env"};
    words.insert(words.end(), c.words.begin(), c.words.end());
    const test::Finished finished = test::run_program(words, folder.path());
    EXPECT_EQ(finished.status, c.status) << finished.output;
    EXPECT_EQ(finished.output.rfind(c.sentence, 0), 0U) << finished.output;
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "copy/build"));
}

}  // namespace
}  // namespace boxcar
