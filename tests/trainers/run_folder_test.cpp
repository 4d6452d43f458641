#include "boxcar/trainers/args/run_folder.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "boxcar/runtime/base/error.h"
#include "support/files.h"
#include "support/folder.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

Args args(std::string_view words) { return Args::from(Overrides::parse(words)); }

TEST(RunFolder, IsMadeOfTaskProjectAndName) {
  EXPECT_EQ(wanted_run_folder(args("mode=train")), "runs/detect/train");
  EXPECT_EQ(wanted_run_folder(args("mode=predict name=a")), "runs/detect/a");
  EXPECT_EQ(wanted_run_folder(args("project=p name=a/")), "runs/detect/p/a");
  EXPECT_EQ(wanted_run_folder(args("project=/abs name=a")), "/abs/a");
  EXPECT_EQ(wanted_run_folder(args("mode=val"), "/other"), "/other/detect/val");
  EXPECT_EQ(wanted_run_folder(args("save_dir=x/y name=z")), "x/y");
}

TEST(RunFolder, IsNumberedFromTwoWithADash) {
  const test::Folder scratch;
  const fs::path train = scratch.path() / "detect/train";
  EXPECT_EQ(make_run_folder(args("mode=train"), scratch.path()), train);
  EXPECT_EQ(make_run_folder(args("mode=train"), scratch.path()), train.string() + "-2");
  EXPECT_EQ(make_run_folder(args("mode=train"), scratch.path()), train.string() + "-3");
  fs::remove(train.string() + "-2");
  EXPECT_EQ(make_run_folder(args("mode=train"), scratch.path()), train.string() + "-2");
  EXPECT_EQ(make_run_folder(args("mode=train exist_ok"), scratch.path()), train);
}

TEST(RunFolder, CountsFilesAndDeadLinksAsTaken) {
  const test::Folder scratch;
  fs::create_directories(scratch.path() / "detect");
  test::write_plainly(scratch.path() / "detect/v1.0", "");
  fs::create_symlink("nowhere", scratch.path() / "detect/v1.0-2");
  EXPECT_EQ(make_run_folder(args("name=v1.0"), scratch.path()), scratch.path() / "detect/v1.0-3");
}

TEST(RunFolder, OfSaveDirIsTakenAsItIs) {
  const test::Folder scratch;
  Args a = args("mode=train");
  a.save_dir = (scratch.path() / "old").string();
  EXPECT_EQ(make_run_folder(a), scratch.path() / "old");
  EXPECT_EQ(make_run_folder(a), scratch.path() / "old");
}

TEST(RunFolder, SaysInOneSentenceWhyItCannotBeMade) {
  const test::Folder scratch;
  const fs::path file = test::write_plainly(scratch.path() / "file", "");
  const auto message = test::message_of<IoError>([&] { make_run_folder(args("mode=train"), file); });
  EXPECT_TRUE(test::is_line_with(message, "Not a directory; name another place with project="));
  Args a = args("exist_ok");
  a.save_dir = file.string();
  EXPECT_TRUE(
      test::is_line_with(test::message_of<IoError>([&] { make_run_folder(a); }), "cannot write the run folder"));
  // Nobody, the administrator included, can create folders there.
  EXPECT_TRUE(test::is_line_with(test::message_of<IoError>([] { make_run_folder(args("project=/proc/x")); }),
                                 "cannot write the run folder '/proc/x/train'"));
  EXPECT_THROW(make_run_folder(args("name=" + std::string(5000, 'a'))), IoError);
}

TEST(RunFolder, IsNeverSharedByTwoRuns) {
  const test::Folder scratch;
  std::vector<fs::path> made(16);
  std::vector<std::thread> threads;
  for (auto& path : made) threads.emplace_back([&] { path = make_run_folder(args("mode=train"), scratch.path()); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(std::set<fs::path>(made.begin(), made.end()).size(), made.size());
}

TEST(NumberedPath, GoesBeforeTheExtensionOfAFile) {
  EXPECT_EQ(numbered_path("a/b.jpg", 2, true), "a/b-2.jpg");
  EXPECT_EQ(numbered_path("a/v1.0", 3, false), "a/v1.0-3");
}

}  // namespace
}  // namespace boxcar
