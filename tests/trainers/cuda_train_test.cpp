// Whole runs on a CUDA device, emulated or real, beside the same runs on the CPU.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>

#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/nn/model/model_info.h"
#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/files/atomic_file.h"
#include "boxcar/trainers/detect/detection_trainer.h"
#include "boxcar/trainers/facade/yolo.h"
#include "support/files.h"
#include "support/folder.h"
#include "support/loop_convolutions.h"
#include "support/process.h"
#include "support/tiny_dataset.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

// One of each kind of module of YOLO11, small.
constexpr const char* kSmallYolo11 =
    "nc: 2\n"
    "backbone:\n"
    "  - [-1, 1, Conv, [8, 3, 2]]\n"
    "  - [-1, 1, Conv, [16, 3, 2]]\n"
    "  - [-1, 1, C3k2, [16, True]]\n"
    "  - [-1, 1, Conv, [16, 3, 2]]\n"
    "  - [-1, 1, Conv, [16, 3, 2]]\n"
    "  - [-1, 1, SPPF, [16, 5]]\n"
    "  - [-1, 1, Conv, [64, 1, 1]]\n"
    "  - [-1, 1, C2PSA, [64]]\n"
    "  - [-1, 1, Conv, [8, 1, 1]]\n"
    "head:\n"
    "  - [-1, 1, nn.Upsample, [None, 2, nearest]]\n"
    "  - [[-1, 3], 1, Concat, [1]]\n"
    "  - [-1, 1, C3k2, [16, False]]\n"
    "  - [[-1], 1, Detect, [nc]]\n";

using Losses = std::vector<std::vector<double>>;

class CudaRun : public testing::Test {
 protected:
  void SetUp() override {
    if (cuda_device_count() == 0) GTEST_SKIP() << "there is no CUDA device";
    std::ofstream(model()) << kSmallYolo11;
    yaml_ = test::make_tiny_dataset(folder_.path() / "tinyds");
  }

  fs::path model() const { return folder_.path() / "small.yaml"; }
  std::string runs() const { return (folder_.path() / "runs").string(); }
  Overrides overrides(const char* device, int epochs) const {
    return {{"model", model().string()},
            {"data", yaml_.string()},
            {"epochs", epochs},
            {"batch", 2},
            {"imgsz", 64},
            {"workers", 0},
            {"project", runs()},
            {"device", device},
            {"plots", false},
            {"amp", false},
            {"nbs", 2},
            {"threads", 2}};
  }

  // Trains, and notes the losses of each batch alone.
  Losses train(
      const Overrides& overrides, const char* name,
      const std::function<void(BaseTrainer&)>& prepare = [](BaseTrainer&) {}) {
    Overrides named = overrides;
    DetectionTrainer trainer(named.set("name", name));
    prepare(trainer);
    Losses losses;
    trainer.add_callback(events::on_train_batch_end, [&](BaseTrainer& t) {
      losses.push_back(t.losses(Wait::yes));
      graphs_ = std::max(graphs_, t.train_step().graphs());
      kernels_ = t.train_step().kernels();
    });
    trainer.train();
    return losses;
  }

  std::string weights(const char* name) const {
    return test::read_plainly(fs::path(runs()) / name / "weights" / "last.safetensors");
  }

  enum class Relative { kItself, kLoss };

  static void expect_close(const Losses& a, const Losses& b, double relative, Relative to = Relative::kItself) {
    ASSERT_EQ(a.size(), b.size());
    ASSERT_GE(a.size(), 10u);
    for (std::size_t step = 0; step < a.size(); ++step) {
      ASSERT_EQ(a[step].size(), 3u);
      const double loss = b[step][0] + b[step][1] + b[step][2];
      for (std::size_t i = 0; i < 3; ++i) {
        const double size = to == Relative::kLoss ? loss : std::abs(b[step][i]);
        EXPECT_NEAR(a[step][i], b[step][i], relative * size) << "step " << step << ", item " << i;
      }
    }
  }

  test::Folder folder_;
  fs::path yaml_;
  int graphs_ = 0, kernels_ = 0;
};

TEST_F(CudaRun, IsOfASmallNetwork) {
  DetectionModel network(load_model_spec(model().string()));
  Stream stream;
  EXPECT_LE(model_info(network, stream).parameters, 100'000);
}

TEST_F(CudaRun, LossesAreTheCpusAndGraphsGiveTheSameBits) {
  const Losses cpu = train(overrides("cpu", 5), "cpu");
  Overrides eager = overrides("cuda", 5);
  eager.set("cuda_graphs", false);
  const Losses issued = train(eager, "eager");
  EXPECT_EQ(graphs_, 0);
  expect_close(issued, cpu, 1e-4);
  const Losses replayed = train(overrides("cuda", 5), "graphs");
  EXPECT_EQ(graphs_, 2);
  EXPECT_GT(kernels_, 100);
  EXPECT_EQ(replayed, issued);
  EXPECT_TRUE(weights("graphs") == weights("eager"));
  EXPECT_EQ(test::read_plainly(fs::path(runs()) / "graphs" / "args.yaml").find("cuda_graphs: false"),
            std::string::npos);
}

// In parts of the step's loss, as a term that is next to nothing need not have the digits, and at a low rate: which
// anchors an object gets hangs on digits that bf16 does not have, and what follows from that grows with each step, on
// the CPU as well.
TEST_F(CudaRun, Bfloat16StaysNearTheCpus) {
  if (!kernels::cpu_has_bf16()) GTEST_SKIP() << "this CPU has no bf16 instructions to compare with";
  const auto half = [&](const char* device) {
    Overrides o = overrides(device, 5);
    return o.set("amp", "bf16").set("optimizer", "SGD").set("lr0", 1e-4).set("warmup_bias_lr", 0.0);
  };
  const Losses cpu = train(half("cpu"), "cpu");
  expect_close(train(half("cuda"), "bf16"), cpu, 2e-2, Relative::kLoss);
}

void add_loops(BaseTrainer& trainer) {
  trainer.add_callback(events::on_pretrain_routine_start, [](BaseTrainer& t) {
    kernels::conv_plans(t.stream()).add_engine(test::loop_engine(std::make_shared<test::FakeEngine::Counts>()));
  });
}

// Weights are rounded once a step: with validation between the epochs, which reads averages, and a change by a
// callback.
TEST_F(CudaRun, RoundedWeightsGiveTheSameBitsInFewerLaunches) {
  if (!cuda_is_emulated()) GTEST_SKIP() << "the plans are loops on the host";
  Overrides o = overrides("cuda", 2);
  o.set("amp", true);
  const auto with_change = [](BaseTrainer& trainer) {
    add_loops(trainer);
    trainer.add_callback(events::on_train_batch_start, [](BaseTrainer& t) {
      for (const auto& entry : t.arena().entries()) {
        if (entry.name == "model.1.conv.weight") t.stream().fill(entry.parameter->value.view().data, 0, 256);
      }
    });
  };
  const Losses replayed = train(o, "graphs", with_change);
  EXPECT_EQ(graphs_, 2);
  const int launches = kernels_;
  const Losses each = train(o, "each", [&](BaseTrainer& trainer) {
    with_change(trainer);
    trainer.add_callback(events::on_train_batch_start, [](BaseTrainer& t) {
      for (const auto& entry : t.arena().entries()) entry.parameter->arena.reset();
    });
  });
  EXPECT_EQ(each, replayed);
  EXPECT_TRUE(weights("each") == weights("graphs"));
  EXPECT_EQ(kernels_, launches + 69);  // 70 passes of convolutions read bf16
  const Losses issued = train(o.set("cuda_graphs", false), "eager", with_change);
  EXPECT_EQ(issued, replayed);
  EXPECT_TRUE(weights("eager") == weights("graphs"));
}

TEST_F(CudaRun, PicturesMadeOnTheGpuAreThoseOfTheCpu) {
  const Losses there = train(overrides("cuda", 2), "there");
  Overrides o = overrides("cuda", 2);
  EXPECT_EQ(train(o.set("gpu_render", false), "here"), there);
  EXPECT_TRUE(weights("here") == weights("there"));
}

TEST_F(CudaRun, TakesNoMemoryInARecordedStep) {
  DetectionTrainer trainer(overrides("cuda", 3));
  std::uint64_t before = 0;
  int recorded = 0;
  trainer.add_callback(events::on_train_batch_start, [&](BaseTrainer& t) {
    before = t.stream().pool()->stats().system_allocations + t.train_step().memory().stats().system_allocations;
    recorded = t.train_step().graphs();
  });
  int replayed = 0;
  trainer.add_callback(events::on_train_batch_end, [&](BaseTrainer& t) {
    if (recorded < 2) return;
    ++replayed;
    EXPECT_EQ(t.stream().pool()->stats().system_allocations + t.train_step().memory().stats().system_allocations,
              before);
  });
  trainer.train();
  EXPECT_GE(replayed, 2);
}

TEST_F(CudaRun, TrainsOnBatchesWithoutBoxes) {
  for (int i = 0; i < 4; ++i)
    folder_.write(fmt::format("tinyds/labels/train/train{}.txt", i), i == 3 ? "0 .5 .5 .2 .2\n" : "");
  Overrides o = overrides("cuda", 1);
  o.set("batch", 1).set("mosaic", 0.0).set("model", folder_.write("net.yaml", test::kTinyNetwork).string());
  const Losses losses = train(o, "background");
  ASSERT_EQ(losses.size(), 4u);
  for (const double loss : losses.back()) EXPECT_TRUE(std::isfinite(loss));
}

TEST_F(CudaRun, ResumesToTheBit) {
  train(overrides("cuda", 4), "whole");
  Overrides o = overrides("cuda", 4);
  {
    DetectionTrainer trainer(o.set("name", "cut"));
    trainer.add_callback(events::on_train_epoch_start, [](BaseTrainer& t) {
      if (t.epoch() == 2) throw std::runtime_error("the power went");
    });
    EXPECT_THROW(trainer.train(), std::runtime_error);
  }
  DetectionTrainer trainer({{"resume", (fs::path(runs()) / "cut" / "weights" / "last.pt").string()}});
  trainer.train();
  EXPECT_TRUE(weights("cut") == weights("whole"));
}

// An engine without plans, which takes note of what it is asked.
std::shared_ptr<test::FakeEngine::Counts> add_engine(BaseTrainer& trainer, const std::string& library) {
  const auto counts = std::make_shared<test::FakeEngine::Counts>();
  trainer.add_callback(events::on_pretrain_routine_start, [=](BaseTrainer& t) {
    kernels::conv_plans(t.stream())
        .add_engine(std::make_unique<test::FakeEngine>(
            library, [](const kernels::ConvProblem&) { return std::vector<test::FakePlan>(); }, counts));
  });
  return counts;
}

TEST_F(CudaRun, ItsFolderHoldsThePlansOfItsConvolutionsForResume) {
  Overrides o = overrides("cuda", 3);
  {
    DetectionTrainer trainer(o.set("name", "plans"));
    add_engine(trainer, "libfake 1");
    trainer.add_callback(events::on_train_epoch_start, [](BaseTrainer& t) {
      if (t.epoch() == 1) throw std::runtime_error("the power went");
    });
    EXPECT_THROW(trainer.train(), std::runtime_error);
  }
  const fs::path folder = fs::path(runs()) / "plans";
  const std::string text = test::read_plainly(folder / "convolution_plans.txt");
  EXPECT_TRUE(text.starts_with("# convolution plans: ")) << text;
  EXPECT_NE(text.find("libfake 1; "), std::string::npos) << text;
  EXPECT_NE(text.find("\nforward 2x64x64x3->8 k3 s2 p1 d1 g1 f32>f32 statistics\town\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\nbackward_weight 2x64x64x3->8 k3 s2 p1 d1 g1 f32>f32\town\n"), std::string::npos) << text;

  std::vector<std::string> warnings;
  DetectionTrainer trainer({{"resume", (folder / "weights" / "last.pt").string()}},
                           {.log = [&](LogLevel level, std::string_view line) {
                             if (level == LogLevel::kWarning) warnings.emplace_back(line);
                           }});
  add_engine(trainer, "libfake 2");
  trainer.train();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("convolution_plans.txt: the plans were chosen for "), std::string::npos) << warnings[0];
  EXPECT_NE(warnings[0].find("the numbers will differ in their last bits"), std::string::npos) << warnings[0];
  EXPECT_NE(test::read_plainly(folder / "convolution_plans.txt").find("libfake 2; "), std::string::npos);
}

TEST_F(CudaRun, TimesPlansUnlessItIsToBeDeterministic) {
  for (const bool deterministic : {true, false}) {
    Overrides o = overrides("cuda", 1);
    DetectionTrainer trainer(o.set("deterministic", deterministic));
    const auto counts = add_engine(trainer, "libfake 1");
    trainer.train();
    EXPECT_GT(counts->offers, 0);
    EXPECT_EQ(counts->thorough > 0, !deterministic);
  }
}

// A criterion that looks at its numbers cannot be recorded: the run says so once and goes on without graphs.
class Curious final : public DetectionCriterion {
  Loss operator()(nn::Context& context, const Outputs& outputs, const Batch& batch) override {
    Loss loss = DetectionCriterion::operator()(context, outputs, batch);
    static_cast<void>(loss.total.to_host());
    return loss;
  }
};

class CuriousModel final : public DetectionModel {
 public:
  using DetectionModel::DetectionModel;
  std::unique_ptr<Criterion> init_criterion() override { return std::make_unique<Curious>(); }
};

class CuriousTrainer final : public DetectionTrainer {
 public:
  using DetectionTrainer::DetectionTrainer;
  std::unique_ptr<Model> get_model(const ModelSpec& spec, const Weights*) override {
    return std::make_unique<CuriousModel>(spec);
  }
};

TEST_F(CudaRun, GoesOnWithoutGraphsWhereAStepReadsItsNumbers) {
  std::vector<std::string> warnings;
  CuriousTrainer trainer(overrides("cuda", 3), {.log = [&](LogLevel level, std::string_view text) {
                           if (level == LogLevel::kWarning) warnings.emplace_back(text);
                         }});
  trainer.train();
  EXPECT_EQ(trainer.train_step().graphs(), 0);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_TRUE(warnings[0].starts_with("steps run without CUDA graphs from here on: synchronize() is not possible"))
      << warnings[0];
}

TEST_F(CudaRun, TrainsFromTheCommandLine) {
  const test::Finished done = test::run_program(
      {BOXCAR_BINARY, "detect", "train", "device=cuda", "model=" + model().string(), "data=" + yaml_.string(),
       "epochs=2", "batch=2", "imgsz=64", "workers=0", "plots=False", "project=" + runs(), "name=cli"},
      folder_.path());
  EXPECT_EQ(done.status, 0) << done.output;
  EXPECT_NE(done.output.find(" on cuda:0"), std::string::npos) << done.output;
  EXPECT_TRUE(fs::exists(fs::path(runs()) / "cli" / "weights" / "best.pt"));
  const test::Finished several = test::run_program(
      {BOXCAR_BINARY, "detect", "train", "device=0,1", "model=" + model().string(), "data=" + yaml_.string()},
      folder_.path());
  EXPECT_NE(several.status, 0);
  EXPECT_NE(several.output.find("works on one GPU"), std::string::npos) << several.output;
}

TEST_F(CudaRun, ValidatesAndPredictsAsTheCpu) {
  train(overrides("cpu", 5), "cpu");
  const fs::path best = fs::path(runs()) / "cpu" / "weights" / "best.pt";
  YOLO model(best);
  const Overrides val{{"project", runs()}, {"plots", false}, {"imgsz", 64}, {"workers", 0}};
  Overrides on_cuda = val;
  const Metrics cpu = model.val({val}), cuda = model.val(on_cuda.set("device", "cuda"));
  ASSERT_EQ(cpu.values.size(), cuda.values.size());
  for (std::size_t i = 0; i < cpu.values.size(); ++i) {
    EXPECT_NEAR(cpu.values[i].second, cuda.values[i].second, 1e-3) << cpu.values[i].first;
  }
  const std::string images = (folder_.path() / "tinyds" / "images" / "val").string();
  const auto predicted = [&](const char* device) {
    return model.predict(images, {{"device", device}, {"conf", 1e-5}, {"imgsz", 64}, {"save", false}});
  };
  const std::vector<Results> here = predicted("cpu"), there = predicted("cuda");
  ASSERT_EQ(here.size(), there.size());
  for (std::size_t i = 0; i < here.size(); ++i) {
    ASSERT_EQ(here[i].boxes.size(), there[i].boxes.size());
    ASSERT_GT(here[i].boxes.size(), 0u);
    for (std::size_t b = 0; b < here[i].boxes.size(); ++b) {
      EXPECT_NEAR(here[i].boxes[b].x1, there[i].boxes[b].x1, 1e-2);
      EXPECT_NEAR(here[i].boxes[b].conf, there[i].boxes[b].conf, 1e-4);
    }
  }
}

}  // namespace
}  // namespace boxcar
