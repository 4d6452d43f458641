// scripts/gpu-check as a user meets it: what it reports, what it does after an interruption, a failure and a hang.
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "boxcar/runtime/files/atomic_file.h"
#include "support/folder.h"
#include "support/process.h"

namespace boxcar {
namespace {

using Json = nlohmann::json;

std::string text_of(const std::filesystem::path& file) { return read_file(file, 1 << 20); }

class GpuCheck : public testing::Test {
 protected:
  test::Finished run(std::vector<std::string> options, const std::string& setting = "LC_ALL=C") {
    std::vector<std::string> words = {"/usr/bin/env",
                                      setting,
                                      std::string(BOXCAR_SOURCE_DIR) + "/scripts/gpu-check",
                                      "--out",
                                      (folder_ / "out").string(),
                                      "--rehearse"};
    words.insert(words.end(), options.begin(), options.end());
    return test::run_program(words, folder_.path());
  }
  // A build whose kernels_test is a script: suites that pass, fail, end in the middle of a test, and hang.
  std::string false_build() {
    const auto program = folder_.write("build/bin/kernels_test", R"(#!/usr/bin/env bash
for word; do
  case "$word" in
    --gtest_list_tests) printf 'Good.\n  One\n  Two\nBad.\n  One\nCrash/0.  # T = int\n  One\nHangs.\n  One\n'; exit ;;
    --gtest_filter=*) filter=${word#*=} ;;
  esac
done
here=$(dirname "$0")
echo "$filter" >>"$here/calls"
case "$filter" in
  Bad*) printf '[ RUN      ] Bad.One\n[  FAILED  ] Bad.One (3 ms)\n'; exit 1 ;;
  Crash*) echo '[ RUN      ] Crash/0.One'; kill -SEGV $$ ;;
  Hangs*) echo $$ >"$here/hangs"; echo spin_kernel >"$BOXCAR_LAST_KERNEL"; sleep 1000 ;;
  *) echo '[  PASSED  ] 1 test.' ;;
esac
)");
    const auto boxcar = folder_.write("build/bin/boxcar", "#!/bin/sh\n");
    for (const auto& file : {program, boxcar}) {
      std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    }
    return (folder_ / "build").string();
  }
  Json report() { return Json::parse(text_of(folder_ / "out/report.json")); }
  Json stage(const std::string& id) {
    const Json all = report();
    for (const Json& one : all.at("stages")) {
      if (one.at("stage") == id) return one;
    }
    ADD_FAILURE() << "no stage " << id;
    return {};
  }
  test::Folder folder_;
};

TEST_F(GpuCheck, ReportsFailuresNamesTheKernelThatHangsAndGoesOn) {
  const test::Finished finished = run({"--build", false_build(), "--stage", "2,3,6", "--hang", "2"});
  EXPECT_EQ(finished.status, 1) << finished.output;
  EXPECT_EQ(stage("2").at("status"), "passed") << finished.output;
  EXPECT_EQ(stage("6").at("status"), "blocked") << "there is no gpu_plans";
  const Json kernels = stage("3");
  EXPECT_EQ(kernels.at("status"), "failed");
  EXPECT_EQ(kernels.at("note"), "1 of 4 passed; a suite of tests is a process");
  const Json expected = Json::parse(R"([
    {"program": "kernels_test.Bad", "ended": "failed", "last kernel": "", "said": "Bad.One"},
    {"program": "kernels_test.Crash.0", "ended": "failed", "last kernel": "", "said": "in Crash/0.One"},
    {"program": "kernels_test.Hangs", "ended": "stopped", "last kernel": "spin_kernel", "said": ""}])");
  EXPECT_EQ(kernels.at("failures"), expected);
  EXPECT_NE(kill(std::stoi(text_of(folder_ / "build/bin/hangs")), 0), 0) << "the program that hangs still runs";
  const std::string markdown = text_of(folder_ / "out/report.md");
  EXPECT_NE(markdown.find("| kernels_test.Hangs | stopped | spin_kernel |"), std::string::npos) << markdown;
}

TEST_F(GpuCheck, DoesNothingTwiceUnlessAsked) {
  const std::string build = false_build();
  run({"--build", build, "--stage", "2-3", "--hang", "1"});
  const std::string calls = text_of(folder_ / "build/bin/calls");
  // The rest is blocked (this build lacks the programs) or not available.
  EXPECT_EQ(run({"--build", build, "--from", "2", "--hang", "1"}).status, 1);
  EXPECT_EQ(stage("7").at("status"), "blocked");
  const std::string no_more = text_of(folder_ / "build/bin/calls");
  EXPECT_EQ(no_more, calls);
  run({"--build", build, "--stage", "2"});
  EXPECT_EQ(text_of(folder_ / "build/bin/calls"), calls + "Launch.EveryThreadOfEveryBlockRunsOnce\n");
}

TEST_F(GpuCheck, AnUnfinishedStageGoesOnWhereItWas) {
  const std::string build = false_build();
  // Bad ended before the time of the stage was over; Hangs is cut off then, and has not had its own time.
  EXPECT_EQ(run({"--build", build, "--stage", "3", "--limit", "2", "--hang", "100"}).status, 3);
  EXPECT_EQ(stage("3").at("status"), "unfinished");
  EXPECT_EQ(run({"--build", build, "--stage", "3", "--limit", "100", "--hang", "1"}).status, 1);
  EXPECT_EQ(stage("3").at("status"), "failed");
  EXPECT_EQ(text_of(folder_ / "build/bin/calls"), "Good.One:Good.Two\nBad.One\nCrash/0.One\nHangs.One\nHangs.One\n");
}

// A sanitizer that finds an error in suite Bad only, or one that this machine refuses.
TEST_F(GpuCheck, UsesTheSanitizerWhereTheMachineAllowsIt) {
  const std::string build = false_build();
  for (const bool allowed : {true, false}) {
    const auto program =
        folder_.write("tools/compute-sanitizer",
                      allowed ? "#!/bin/bash\nwhile [ \"$1\" != \"${1#--}\" ]; do shift 2; done\nexec \"$@\"\n"
                              : "#!/bin/sh\necho '========= Error: Device not supported'; exit 1\n");
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    const std::string path = "PATH=" + (folder_ / "tools").string() + ":" + std::getenv("PATH");
    const test::Finished finished = run({"--build", build, "--stage", "4b", "--hang", "1"}, path);
    EXPECT_EQ(finished.status, allowed ? 1 : 0) << finished.output;
    EXPECT_EQ(stage("4b").at("status"), allowed ? "failed" : "unavailable");
    const std::string note = stage("4b").at("note");
    EXPECT_NE(note.find(allowed ? "1 of 4 passed; racecheck" : "refuses compute-sanitizer: ========= Error"),
              std::string::npos)
        << note;
    EXPECT_EQ(stage("4a").at("status"), "not run");
  }
}

TEST_F(GpuCheck, RefusesWhatItDoesNotKnow) {
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{"--fast"}, {"--limit", "soon"}, {"--stage", "x"}, {"--from"}, {"--build", "absent"}}) {
    const test::Finished finished = run(options);
    EXPECT_EQ(finished.status, 2) << finished.output;
    EXPECT_EQ(finished.output.rfind("gpu-check: ", 0), 0U) << finished.output;
  }
}

#if BOXCAR_EMULATE_CUDA
TEST_F(GpuCheck, RunsTheProgramsOfABuild) {
  const test::Finished finished = run({"--build", BOXCAR_BUILD_DIR, "--stage", "2,3,6,10"});
  EXPECT_EQ(finished.status, 0) << finished.output;
  const std::filesystem::path items = folder_ / "out/stages/3/items";
  EXPECT_EQ(text_of(items / "kernels_test.Backends.Upsample.kernel").rfind("upsample", 0), 0U);
  const Json plans = stage("6").at("tables").at("plans_yolo11n_bf16");
  EXPECT_GT(plans.size(), 100u);
  for (const Json& row : plans) EXPECT_GT(row.at("own us"), 0.0) << row;
  const Json tables = stage("10").at("tables");
  EXPECT_GT(tables.at("peaks")[0].at("GB/s"), 0.0);
  EXPECT_GT(tables.at("kernels").size(), 50u);
  for (const Json& row : tables.at("kernels")) EXPECT_NE(row.at("op"), "failed") << row;
}
#endif

}  // namespace
}  // namespace boxcar
