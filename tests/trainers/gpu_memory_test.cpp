// Batches chosen by the memory there is, and what is said where it is too little. Emulated cards have as much as
// BOXCAR_EMULATED_MEMORY says.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <regex>

#include "boxcar/runtime/device/backend.h"
#include "boxcar/trainers/detect/detection_trainer.h"
#include "support/files.h"
#include "support/folder.h"
#include "support/process.h"
#include "support/tiny_dataset.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class MemoryRun : public testing::Test {
 protected:
  void SetUp() override {
    yaml_ = test::make_tiny_dataset(folder_ / "tinyds").string();
    model_ = folder_.write("net.yaml", test::kTinyNetwork).string();
  }

  test::Finished train(const Words& environment, const Words& more) {
    Words words{"/usr/bin/env"};
    words.insert(words.end(), environment.begin(), environment.end());
    words.insert(words.end(), {BOXCAR_BINARY, "train", "data=" + yaml_, "model=" + model_, "epochs=1", "workers=0",
                               "plots=False", "amp=False", "name=run", "exist_ok=True"});
    words.insert(words.end(), more.begin(), more.end());
    return test::run_program(words, folder_.path());
  }
  // Op by op: under AddressSanitizer a recorded step holds every block that it took, which a card's pool does not.
  test::Finished on_card(int mib, Words more) {
    more.insert(more.end(), {"device=0", "imgsz=96", "cuda_graphs=False"});
    return train({"BOXCAR_EMULATED_MEMORY=" + std::to_string(mib)}, more);
  }

  // The number that `pattern` brings in brackets; -1 where it is not there.
  static int number(const std::string& text, const std::string& pattern) {
    std::smatch found;
    return std::regex_search(text, found, std::regex(pattern)) ? std::stoi(found[1]) : -1;
  }
  int batch_in_file() const {
    return number(test::read_plainly(folder_ / "runs/detect/run/args.yaml"), "\nbatch: ([0-9]+)\n");
  }

  test::Folder folder_;
  std::string yaml_, model_;
};

class CudaMemory : public MemoryRun {
  void SetUp() override {
    if (!cuda_is_emulated()) GTEST_SKIP() << "only an emulated card can be told how much memory it has";
    MemoryRun::SetUp();
  }
};

TEST_F(CudaMemory, BatchIsTheLargestThatFits) {
  const test::Finished all = on_card(4096, {"batch=-1"});
  EXPECT_EQ(all.status, 0) << all.output;
  EXPECT_NE(all.output.find("batch=-1: batch=4 is chosen, all images there are; a step takes "), std::string::npos)
      << all.output;
  EXPECT_NE(all.output.find("60% of what cuda:0 has free"), std::string::npos) << all.output;
  EXPECT_EQ(batch_in_file(), 4);

  int before = 5;
  for (const int mib : {10, 7}) {
    const test::Finished some = on_card(mib, {"batch=-1"});
    ASSERT_EQ(some.status, 0) << some.output;
    const int batch = number(some.output, "batch=-1: batch=([0-9]+) is chosen; a step takes ");
    EXPECT_LT(batch, before) << some.output;
    EXPECT_GE(batch, 1) << some.output;
    EXPECT_EQ(batch_in_file(), batch);
    before = batch;
  }
}

TEST_F(CudaMemory, AShareOfTheMemoryIsTaken) {
  const test::Finished little = on_card(14, {"batch=0.3"}), much = on_card(14, {"batch=0.9"});
  EXPECT_EQ(little.status, 0) << little.output;
  EXPECT_EQ(much.status, 0) << much.output;
  EXPECT_LT(number(little.output, "batch=0.3: batch=([0-9]+) is chosen"),
            number(much.output, "batch=0.9: batch=([0-9]+) is chosen"));
  EXPECT_NE(much.output.find("90% of what cuda:0 has free"), std::string::npos) << much.output;
}

TEST_F(CudaMemory, AStepThatDoesNotFitIsRefusedBeforeItBegins) {
  const test::Finished refused = on_card(5, {"batch=4"});
  EXPECT_EQ(refused.status, 1) << refused.output;
  for (const char* part : {"boxcar: out of memory on cuda:0: a training step does not fit\ncuda:0: ",
                           "planned for a step of 4 images of 96 x 96 in f32", "\nweights and running statistics ",
                           "\ntheir averages ", "\ngradients of the weights ", "\nstate of ", "\nbatches on their way ",
                           "\nactivations and their gradients, at most ", "\nall ", " MiB are free"}) {
    EXPECT_NE(refused.output.find(part), std::string::npos) << part << " in " << refused.output;
  }
  EXPECT_FALSE(fs::exists(folder_ / "runs/detect/run")) << refused.output;
  const int batch = number(refused.output, "the largest batch that fits is ([0-9]+): use batch=");
  ASSERT_GE(batch, 1) << refused.output;
  ASSERT_LT(batch, 4);
  const test::Finished next = on_card(5, {"batch=" + std::to_string(batch + 1)});
  EXPECT_EQ(next.status, 1) << next.output;
  EXPECT_NE(next.output.find("does not fit"), std::string::npos) << next.output;
}

TEST_F(CudaMemory, NotEvenOneImage) {
  for (const char* batch : {"batch=2", "batch=-1"}) {
    const test::Finished refused = on_card(4, {batch});
    EXPECT_EQ(refused.status, 1) << refused.output;
    EXPECT_NE(refused.output.find("not even one image fits: use a smaller imgsz or a smaller model"), std::string::npos)
        << refused.output;
    EXPECT_FALSE(fs::exists(folder_ / "runs/detect/run"));
  }
}

// A network without a plan runs into the end of the memory; the pool's error is explained, too.
class GreedyCriterion final : public DetectionCriterion {
  Loss operator()(nn::Context& context, const Outputs& outputs, const Batch& batch) override {
    Stream& stream = context.stream();
    if (!stream.dry_run()) static_cast<void>(Tensor::empty(stream, {1 << 20, 1 << 10, 1 << 10, 16}));
    return DetectionCriterion::operator()(context, outputs, batch);
  }
};
class GreedyModel final : public DetectionModel {
 public:
  using DetectionModel::DetectionModel;
  std::unique_ptr<Criterion> init_criterion() override { return std::make_unique<GreedyCriterion>(); }
};
class GreedyTrainer final : public DetectionTrainer {
 public:
  using DetectionTrainer::DetectionTrainer;
  std::unique_ptr<Model> get_model(const ModelSpec& spec, const Weights*) override {
    return std::make_unique<GreedyModel>(spec);
  }
};

TEST_F(MemoryRun, WhatAStepMeetsIsExplained) {
#if defined(__SANITIZE_ADDRESS__)
  if (!cuda_is_emulated()) GTEST_SKIP() << "AddressSanitizer ends a program that asks the CPU for so much";
  const char* const device = "cuda:1";
#else
  const char* const device = cuda_is_emulated() ? "cuda:1" : "cpu";
#endif
  if (cuda_is_emulated()) setenv("BOXCAR_EMULATED_MEMORY", "1024", 1);
  GreedyTrainer trainer({{"data", yaml_},
                         {"model", model_},
                         {"batch", 2},
                         {"imgsz", 64},
                         {"workers", 0},
                         {"plots", false},
                         {"device", device},
                         {"project", (folder_ / "runs").string()}});
  try {
    trainer.train();
    FAIL() << "a step took 64 TiB";
  } catch (const OutOfMemory& error) {
    const std::string text = error.what();
    EXPECT_TRUE(text.starts_with(fmt::format("out of memory on {}: ", device))) << text;
    EXPECT_EQ(text.find(" of the card's ") != std::string::npos, cuda_is_emulated()) << text;
    EXPECT_NE(text.find("\nplanned for a step of 2 images of 64 x 64 in "), std::string::npos) << text;
    EXPECT_NE(text.find("this alone would fit"), std::string::npos) << text;
  }
  EXPECT_FALSE(fs::exists(trainer.save_dir()));
  unsetenv("BOXCAR_EMULATED_MEMORY");
}

#if !defined(__SANITIZE_ADDRESS__)  // which needs more addresses than any limit leaves
TEST_F(MemoryRun, ALimitOfTheSystemIsOneSentence) {
  const test::Finished done = test::run_program(
      {"/bin/sh", "-c", "ulimit -v 1500000; exec \"$@\"", "sh", BOXCAR_BINARY, "train", "data=" + yaml_,
       "model=" + model_, "imgsz=4096", "batch=4", "workers=0", "threads=1", "plots=False", "name=run", "device=cpu"},
      folder_.path());
  EXPECT_EQ(done.status, 1) << done.output;
  EXPECT_NE(done.output.find("\nboxcar: out of memory"), std::string::npos) << done.output;
  EXPECT_FALSE(fs::exists(folder_ / "runs/detect/run")) << done.output;
}
#endif

TEST_F(MemoryRun, OnTheCpuABatchThatIsLeftOpenIsTheUsualOne) {
  const test::Finished done = train({}, {"batch=-1", "device=cpu", "imgsz=64"});
  EXPECT_EQ(done.status, 0) << done.output;
  EXPECT_NE(done.output.find("batch=-1: batch=16 is chosen; a step takes "), std::string::npos) << done.output;
  EXPECT_EQ(batch_in_file(), 16);
}

class OwnChoice final : public DetectionTrainer {
 public:
  using DetectionTrainer::DetectionTrainer;
  int auto_batch(int images) override { return images - 1; }
};

TEST_F(MemoryRun, ATrainerMayChooseByItself) {
  OwnChoice trainer({{"data", yaml_},
                     {"model", model_},
                     {"batch", 0.5},
                     {"epochs", 1},
                     {"imgsz", 64},
                     {"workers", 0},
                     {"plots", false},
                     {"device", "cpu"},
                     {"project", (folder_ / "runs").string()}});
  trainer.train();
  EXPECT_EQ(trainer.batch_size(), 3);
  EXPECT_EQ(trainer.train_loader().batches(), 2);
}

// The fake library of runtime/fake_nvml.cpp in the place of the driver's.
TEST_F(CudaMemory, TheCardIsReportedWhereItTells) {
  const auto run = [&](Words environment) {
    environment.push_back("BOXCAR_EMULATED_MEMORY=4096");
    return train(environment, {"device=0", "batch=2", "imgsz=64"}).output;
  };
  const std::string with = run({"LD_LIBRARY_PATH=" FAKE_NVML_DIR});
  EXPECT_NE(with.find("cuda:0: 87% busy, 14300 of 81559 MiB in use, 310 W, 62 C\n"), std::string::npos) << with;
  EXPECT_NE(with.find("cuda:0: NVIDIA driver 580.65.06\n"), std::string::npos) << with;
  const std::string half = run({"LD_LIBRARY_PATH=" FAKE_NVML_DIR, "FAKE_NVML_FAILS=power"});
  EXPECT_NE(half.find("cuda:0: 87% busy, 14300 of 81559 MiB in use, 62 C\n"), std::string::npos) << half;
  const std::string without = run({});
  EXPECT_EQ(without.find("busy"), std::string::npos) << without;
  EXPECT_TRUE(std::regex_search(with, std::regex("\n +1/1 +0\\.0[0-9]+G "))) << with;  // GPU_mem
}

}  // namespace
}  // namespace boxcar
