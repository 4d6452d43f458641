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
using Words = std::vector<std::string>;

class Resume : public testing::Test {
 protected:
  void SetUp() override { yaml_ = test::make_tiny_dataset(folder_ / "tinyds"); }

  // What to say after "boxcar" to begin a run. Batches of two from four pictures, and a step every three batches: most
  // checkpoints hold gradients that wait for their step.
  Words start(const std::string& name, const std::string& model) {
    return {"detect",         "train",         "data=" + yaml_.string(),
            "model=" + model, "epochs=6",      "batch=2",
            "imgsz=64",       "workers=1",     "close_mosaic=2",
            "plots=False",    "nbs=6",         "warmup_epochs=1",
            "name=" + name,   "exist_ok=True", model == "yolo11n.yaml" ? "optimizer=SGD" : "optimizer=auto"};
  }
  // The same for going on with it, once it has a checkpoint.
  Words start_or_resume(const std::string& name, const std::string& model) {
    const fs::path last = run(name) / "weights/last.pt";
    return fs::exists(last) ? Words{"train", "resume", "model=" + last.string()} : start(name, model);
  }
  test::Finished boxcar(Words words, std::chrono::milliseconds kill_after = {}) {
    words.insert(words.begin(), BOXCAR_BINARY);
    return test::run_program(words, folder_.path(), kill_after);
  }

  fs::path run(const std::string& name) { return folder_ / ("runs/detect/" + name); }

  // Names of unfinished files, ".last.pt.123.0.tmp".
  Words temporaries(const std::string& name) {
    Words found;
    for (const auto& file : fs::recursive_directory_iterator(run(name))) {
      if (file.path().extension() == ".tmp") found.push_back(file.path().filename());
    }
    return found;
  }

  void expect_same_results(const std::string& one, const std::string& other) {
    for (const char* file : {"weights/last.safetensors", "weights/best.safetensors"}) {
      EXPECT_TRUE(read_file(run(one) / file, 1 << 28) == read_file(run(other) / file, 1 << 28)) << file;
    }
    const ResultsTable a = read_results_csv(run(one) / "results.csv"), b = read_results_csv(run(other) / "results.csv");
    ASSERT_EQ(a.names, b.names);
    ASSERT_EQ(a.rows(), 6u);
    for (std::size_t i = 0; i < a.names.size(); ++i) {
      if (a.names[i] != "time") {
        EXPECT_EQ(a.columns[i], b.columns[i]) << a.names[i];
      }
    }
    EXPECT_EQ(temporaries(other), Words());
  }

  test::Folder folder_;
  fs::path yaml_;
};

TEST_F(Resume, KilledFiveTimesEqualsUninterruptedToTheByte) {
  using Milliseconds = std::chrono::milliseconds;
  const auto begin = std::chrono::steady_clock::now();
  const test::Finished whole = boxcar(start("whole", "yolo11n.yaml"));
  ASSERT_EQ(whole.status, 0) << whole.output;
  const auto took = std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - begin).count();

  Random random(11);
  int kills = 0;
  bool finished = false;
  for (int attempt = 0; attempt < 10 && !finished; ++attempt) {
    // Five kills, each after a tenth to a half of the whole run's time: in most of them there is a checkpoint to go on
    // from.
    const auto share = static_cast<std::uint32_t>(took / 10);
    const Milliseconds wait(kills < 5 ? share + random.below(4 * share) : 0);
    const test::Finished part = boxcar(start_or_resume("killed", "yolo11n.yaml"), wait);
    if (part.status == -1) ++kills;
    // Refused as finished: the kill came between the last file and the end.
    finished = part.status == 0 || (part.status == 2 && part.output.find("is finished") != std::string::npos);
    ASSERT_TRUE(part.status == -1 || finished) << part.output;
  }
  ASSERT_TRUE(finished);
  EXPECT_GE(kills, 1);
  expect_same_results("whole", "killed");
}

TEST_F(Resume, KilledInValidationsAndWritesEqualsUninterruptedToTheByte) {
  const std::string model = folder_.write("net.yaml", test::kTinyNetwork).string();
  const test::Finished whole = boxcar(start("whole", model));
  ASSERT_EQ(whole.status, 0) << whole.output;

  // An epoch, from 0, and the file that is being written; none: in the validation.
  const std::vector<std::pair<const char*, const char*>> moments = {
      {"0", "best.safetensors"}, {"0", "last.pt"},     {"1", ""},          {"1", "best.pt"},
      {"1", "last.pt"},          {"2", "results.csv"}, {"3", ""},          {"3", "last.safetensors"},
      {"5", "last.pt"},          {"end", ""},          {"end", "best.pt"}, {"end", "last.pt"}};
  for (const auto& [epoch, file] : moments) {
    SCOPED_TRACE(std::string("epoch ") + epoch + " " + file);
    const bool in_write = *file != '\0';
    Words words = start_or_resume("killed", model);
    if (in_write) words.insert(words.begin(), file);
    words.insert(words.begin(), {TROUBLED_RUN, in_write ? "kill-in-write" : "kill-in-validation", epoch});
    const test::Finished part = test::run_program(words, folder_.path());
    ASSERT_EQ(part.status, -1) << part.output;
    const Words left = temporaries("killed");
    ASSERT_EQ(left.size(), in_write ? 1u : 0u) << testing::PrintToString(left);
    if (in_write) {
      EXPECT_TRUE(left[0].starts_with("." + std::string(file) + ".")) << left[0];
    }
  }
  const test::Finished rest = boxcar(start_or_resume("killed", model));
  ASSERT_EQ(rest.status, 0) << rest.output;
  expect_same_results("whole", "killed");
}

TEST_F(Resume, AFinishedRunIsRefused) {
  const std::string model = folder_.write("net.yaml", test::kTinyNetwork).string();
  const test::Finished whole = boxcar(start("whole", model));
  ASSERT_EQ(whole.status, 0) << whole.output;
  const test::Finished again = boxcar({"train", "resume", "model=" + (run("whole") / "weights/last.pt").string()});
  EXPECT_EQ(again.status, 2);
  EXPECT_NE(again.output.find("is finished"), std::string::npos) << again.output;
}

}  // namespace
}  // namespace boxcar
