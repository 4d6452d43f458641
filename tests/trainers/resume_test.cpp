// A run that is killed again and again ends with the same bytes as one that is not.
#include <gtest/gtest.h>

#include "boxcar/runtime/files/atomic_file.h"
#include "boxcar/runtime/random/philox.h"
#include "boxcar/trainers/engine/results_csv.h"
#include "support/folder.h"
#include "support/process.h"
#include "support/tiny_dataset.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

class Resume : public testing::Test {
 protected:
  void SetUp() override { yaml_ = test::make_tiny_dataset(folder_ / "tinyds"); }

  std::vector<std::string> start(const std::string& name) {
    return {BOXCAR_BINARY,    "detect",      "train",          "data=" + yaml_.string(), "model=yolo11n.yaml",
            "epochs=6",       "batch=2",     "imgsz=64",       "workers=1",              "close_mosaic=2",
            "plots=False",    "nbs=6",       "warmup_epochs=1", "name=" + name,          "exist_ok=True",
            "optimizer=SGD"};
  }
  fs::path run(const std::string& name) { return folder_ / ("runs/detect/" + name); }

  std::string bytes(const std::string& name, const char* file) { return read_file(run(name) / file, 1 << 28); }

  test::Folder folder_;
  fs::path yaml_;
};

TEST_F(Resume, KilledFiveTimesEqualsUninterruptedToTheByte) {
  const test::Finished whole = test::run_program(start("whole"), folder_.path());
  ASSERT_EQ(whole.status, 0) << whole.output;

  Random random(11);
  int kills = 0;
  bool finished = false;
  for (int attempt = 0; attempt < 200 && !finished; ++attempt) {
    const fs::path last = run("killed") / "weights/last.pt";
    const std::vector<std::string> words =
        fs::exists(last) ? std::vector<std::string>{BOXCAR_BINARY, "train", "resume", "model=" + last.string()}
                         : start("killed");
    // Moments grow, so that slow machines get on too. They fall into steps, validations and checkpoint writes alike.
    const auto wait = std::chrono::milliseconds(kills < 5 ? 200 + attempt * 30 + random.below(1500) : 0);
    const test::Finished part = test::run_program(words, folder_.path(), wait);
    if (part.status == -1) ++kills;
    finished = part.status == 0;
    ASSERT_TRUE(part.status == -1 || part.status == 0) << part.output;
  }
  ASSERT_TRUE(finished);
  EXPECT_GE(kills, 1);

  for (const char* file : {"weights/last.safetensors", "weights/best.safetensors"}) {
    EXPECT_EQ(bytes("whole", file), bytes("killed", file)) << file;
  }
  ResultsTable a = read_results_csv(run("whole") / "results.csv"), b = read_results_csv(run("killed") / "results.csv");
  ASSERT_EQ(a.names, b.names);
  ASSERT_EQ(a.rows(), 6u);
  for (std::size_t i = 0; i < a.names.size(); ++i) {
    if (a.names[i] != "time") {
      EXPECT_EQ(a.columns[i], b.columns[i]) << a.names[i];
    }
  }
  for (const auto& file : fs::directory_iterator(run("killed") / "weights")) {
    EXPECT_TRUE(file.path().extension() == ".pt" || file.path().extension() == ".safetensors" ||
                file.path().filename().string().starts_with("."))
        << file.path() << " was left behind";
  }
}

TEST_F(Resume, AFinishedRunIsRefused) {
  const test::Finished whole = test::run_program(start("whole"), folder_.path());
  ASSERT_EQ(whole.status, 0) << whole.output;
  const test::Finished again = test::run_program(
      {BOXCAR_BINARY, "train", "resume", "model=" + (run("whole") / "weights/last.pt").string()}, folder_.path());
  EXPECT_EQ(again.status, 2);
  EXPECT_NE(again.output.find("finished"), std::string::npos) << again.output;
}

}  // namespace
}  // namespace boxcar
