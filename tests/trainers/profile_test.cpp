// Where time and bytes go, as a user meets it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/files/atomic_file.h"
#include "boxcar/trainers/detect/detection_trainer.h"
#include "boxcar/trainers/engine/profile_report.h"
#include "boxcar/trainers/facade/yolo.h"
#include "support/folder.h"
#include "support/process.h"
#include "support/tiny_dataset.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& file) { return read_file(file, 1 << 30); }

class ProfileRun : public testing::Test {
 protected:
  Overrides overrides() {
    return {{"model", "yolo11n.yaml"},
            {"data", test::make_tiny_dataset(folder_.path() / "tinyds").string()},
            {"epochs", 1},
            {"batch", 2},
            {"imgsz", 64},
            {"workers", 0},
            {"plots", false},
            {"project", (folder_.path() / "runs").string()}};
  }
  test::Folder folder_;
};

TEST(ProfileTable, SharesOfAllRowsAddUp) {
  Profiler profiler;
  {
    const ProfileScope stage(&profiler, ScopeKind::kStage, "model");
    const ProfileScope op(&profiler, ScopeKind::kOp, "conv_forward", {1000, 2000});
  }
  const std::string table = profile_table(profiler, {1e9, 1e9});
  double sum = 0;  // "outside ops" of stages, "share" of ops
  const std::regex share(R"(([0-9.]+)%( |\n|$))");
  for (const char* name : {"model", "conv_forward"}) {
    const auto line_at = table.find(name);
    ASSERT_NE(line_at, std::string::npos) << table;
    const std::string line = table.substr(line_at, table.find('\n', line_at) - line_at);
    std::string found;
    for (std::sregex_iterator i(line.begin(), line.end(), share), end; i != end; ++i) {
      found = (*i)[1];
      if (std::string(name) == "conv_forward") break;  // fractions of the peaks follow in brackets
    }
    sum += std::stod(found);
  }
  EXPECT_NEAR(sum, 100.0, 0.11) << table;
}

TEST_F(ProfileRun, TrainingLeavesTableAndTrace) {
  DetectionTrainer trainer(overrides().set("profile", true));
  trainer.train();
  const std::string table = text_of(trainer.save_dir() / "profile.txt");
  for (const char* name : {"images", "batch", "model", "loss", "gradients", "optimizer", "validation", "checkpoint",
                           "conv_forward", "conv_backward_weight", "norm_act_backward", "detection_loss"}) {
    EXPECT_NE(table.find(std::string("\n") + name + " "), std::string::npos) << name << " is missing in\n" << table;
  }
  const auto trace = nlohmann::json::parse(text_of(trainer.save_dir() / "profile.json"));
  EXPECT_GT(trace.at("traceEvents").size(), 500u);
}

// On a GPU, emulated or real: times are the device's, and the host does not wait for each op.
TEST_F(ProfileRun, TrainingOnCudaIsTimedByTheDevice) {
  if (cuda_device_count() == 0) GTEST_SKIP() << "there is no CUDA device";
  DetectionTrainer trainer(overrides()
                               .set("model", (folder_.write("net.yaml", test::kTinyNetwork)).string())
                               .set("profile", true)
                               .set("device", "0"));
  trainer.train();
  EXPECT_EQ(trainer.train_step().graphs(), 0);
  const std::string table = text_of(trainer.save_dir() / "profile.txt");
  EXPECT_NE(table.find("times are those of cuda:0; steps were launched op by op, not as graphs"), std::string::npos)
      << table;
  for (const char* name : {"images", "batch", "model", "loss", "gradients", "optimizer", "validation", "conv_forward",
                           "conv_backward_weight", "norm_act_backward", "detection_loss"}) {
    EXPECT_NE(table.find(std::string("\n") + name + " "), std::string::npos) << name << " is missing in\n" << table;
  }
  const auto trace = nlohmann::json::parse(text_of(trainer.save_dir() / "profile.json"));
  double epoch = 0, stages = 0;
  for (const auto& event : trace.at("traceEvents")) {
    EXPECT_GE(event.at("dur").get<double>(), 0.0) << event;
    if (event.at("name") == "epoch") epoch = event.at("dur");
    for (const char* name : {"model", "loss", "gradients", "optimizer"}) {
      if (event.at("name") == name) stages += event.at("dur").get<double>();
    }
  }
  EXPECT_GT(stages, 0.0);
  EXPECT_LE(stages, epoch * 1.001);
}

TEST_F(ProfileRun, ChangesNoNumber) {
  DetectionTrainer with(overrides().set("profile", true)), without(overrides());
  with.train();
  without.train();
  EXPECT_FALSE(fs::exists(without.save_dir() / "profile.txt"));
  EXPECT_EQ(text_of(with.save_dir() / "weights/last.safetensors"),
            text_of(without.save_dir() / "weights/last.safetensors"));
}

TEST_F(ProfileRun, ValidationAndPredictionHaveOneToo) {
  DetectionTrainer trainer(overrides());
  const fs::path best = trainer.train().best;
  std::string log;
  Options options;
  options.log = [&](LogLevel, std::string_view line) { log += std::string(line) + "\n"; };
  YOLO model(best, options);
  const std::string runs = (folder_.path() / "runs").string();
  model.val({{"profile", true},
             {"project", runs},
             {"plots", false},
             {"data", (folder_.path() / "tinyds/data.yaml").string()}});
  EXPECT_NE(log.find("\nvalidation "), std::string::npos) << log;
  log.clear();
  model.predict(folder_.path() / "tinyds/images/val", {{"profile", true}, {"imgsz", 64}});
  EXPECT_NE(log.find("\nprediction "), std::string::npos) << log;
  EXPECT_NE(log.find("\nnon_max_suppression "), std::string::npos) << log;
}

TEST_F(ProfileRun, PlanShowsTheMemoryOfAStep) {
  const auto plan = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {BOXCAR_BINARY, "plan", "model=yolo11m.yaml"});
    return test::run_program(arguments, folder_.path());
  };
  const test::Finished done = plan({"imgsz=640", "batch=64"});
  EXPECT_EQ(done.status, 0) << done.output;
  EXPECT_NE(done.output.find("a training step of 64 images of 640 x 640 in bf16"), std::string::npos) << done.output;
  EXPECT_NE(done.output.find("\nall "), std::string::npos) << done.output;
  const test::Finished refused = plan({"optimizer=auto"});
  EXPECT_NE(refused.status, 0);
  EXPECT_NE(refused.output.find("name the optimizer"), std::string::npos) << refused.output;
}

TEST_F(ProfileRun, InfoCountsTheTrafficOfAStep) {
  const test::Finished done =
      test::run_program({BOXCAR_BINARY, "info", "model=yolo11n.yaml", "imgsz=320", "traffic=True"}, folder_.path());
  EXPECT_EQ(done.status, 0) << done.output;
  EXPECT_NE(done.output.find("one training step at 320 x 320 in bf16"), std::string::npos) << done.output;
  EXPECT_NE(done.output.find("\nconv_backward_weight "), std::string::npos) << done.output;
  EXPECT_NE(done.output.find("\nall "), std::string::npos) << done.output;
}

}  // namespace
}  // namespace boxcar
