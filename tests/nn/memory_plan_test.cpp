// The memory of a training step, planned and as it is.
#include "boxcar/nn/model/memory_plan.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/model/detection_model.h"

namespace boxcar {
namespace {

ModelSpec yolo11(const std::string& scale) {
  return load_model_spec(std::string(BOXCAR_SOURCE_DIR) + "/cfg/models/yolo11.yaml", {.scale = scale});
}

std::map<std::string, double> megabytes(const MemoryPlan& plan) {
  std::map<std::string, double> parts;
  for (const MemoryPlan::Part& part : plan.parts) parts[part.name] = static_cast<double>(part.bytes) * 1e-6;
  return parts;
}

constexpr const char *kStep = "activations and their gradients, at most",
                     *kRounded = "the weights rounded to bf16, in a step";

TEST(MemoryPlan, KeptPartsFollowFromTheParameters) {
  const auto n = megabytes(memory_plan(yolo11("n"), {.imgsz = 64, .batch = 1}));
  EXPECT_NEAR(n.at("weights and running statistics"), 4 * 2.65, 0.1);  // 2.62 million, and statistics
  EXPECT_EQ(n.at("weights and running statistics"), n.at("their averages"));
  EXPECT_NEAR(n.at("gradients of the weights"), 4 * 2.62, 0.1);
  EXPECT_EQ(n.at("state of SGD"), n.at("gradients of the weights"));
  EXPECT_EQ(2 * n.at(kRounded), n.at("gradients of the weights"));
  EXPECT_EQ(megabytes(memory_plan(yolo11("n"), {.imgsz = 64, .batch = 1, .activations = DType::kF32})).at(kRounded), 0);
  const auto adam =
      megabytes(memory_plan(yolo11("n"), {.imgsz = 64, .batch = 1, .optimizer = nn::OptimizerType::kAdamW}));
  EXPECT_EQ(adam.at("state of AdamW"), 2 * n.at("state of SGD"));
}

TEST(MemoryPlan, StepsGrowWithImagesAndPixelsAndShrinkInBf16) {
  const double one = megabytes(memory_plan(yolo11("n"), {.imgsz = 320, .batch = 1})).at(kStep);
  const double four = megabytes(memory_plan(yolo11("n"), {.imgsz = 320, .batch = 4})).at(kStep);
  const double large = megabytes(memory_plan(yolo11("n"), {.imgsz = 640, .batch = 1})).at(kStep);
  const double floats =
      megabytes(memory_plan(yolo11("n"), {.imgsz = 640, .batch = 1, .activations = DType::kF32})).at(kStep);
  EXPECT_NEAR(four / one, 4, 0.4);
  EXPECT_NEAR(large / one, 4, 0.4);
  EXPECT_NEAR(floats / large, 1.8, 0.2);
}

// Far more than this machine has, and at once.
TEST(MemoryPlan, PlansWhatDoesNotFit) {
  const MemoryPlan plan = memory_plan(yolo11("x"), {.imgsz = 640, .batch = 128});
  EXPECT_GT(plan.total(), std::size_t{60} << 30);
  EXPECT_LT(plan.total(), std::size_t{200} << 30);
}

// All but the workspaces of single convolutions, which take their turns.
TEST(MemoryPlan, IsWhatAStepTakes) {
  const ModelSpec spec = yolo11("n");
  Stream stream(Device::cpu(), {.threads = 1});
  DetectionModel model(spec);
  model.prepare(stream);
  model.set_trace([](int, const nn::Value&) {});  // each row by itself, as on a GPU; joins take less
  const nn::ParamArena arena(model, stream, 0);
  const std::unique_ptr<Criterion> criterion = model.init_criterion();
  criterion->attach(model);
  const Batch batch{Tensor::zeros(stream, {2, 256, 256, 3}),
                    Tensor::from(stream, {1, 1, 1, 6}, {0, 0, 0.5f, 0.5f, 0.4f, 0.4f})};
  const std::size_t before = stream.pool()->stats().live_bytes;
  stream.pool()->reset_high_water();
  {
    nn::Context context(stream);
    const Loss loss = (*criterion)(context, model.forward(context, nn::Value(context, batch.images)), batch);
    loss.total.add_grad(stream, Tensor::from(stream, {}, {1.0f}), nn::Own::kExclusive);
    context.backward();
  }
  const double taken = static_cast<double>(stream.pool()->stats().high_water_bytes - before) * 1e-6;
  const double planned = megabytes(memory_plan(spec, {.imgsz = 256, .batch = 2, .activations = DType::kF32})).at(kStep);
  EXPECT_GE(taken, planned);
  EXPECT_LE(taken, planned + 10);
  EXPECT_GT(planned, 40);
}

TEST(MemoryPlan, StepsCanBeAskedAgain) {
  const ModelSpec spec = yolo11("n");
  DrySteps steps(spec, 128, DType::kF32);
  const std::size_t two = memory_plan(steps, 2).total(), five = memory_plan(steps, 5).total();
  EXPECT_GT(five, two);
  EXPECT_NEAR(static_cast<double>(memory_plan(steps, 2).total()), static_cast<double>(two), 1e5);
  const std::size_t apart = memory_plan(spec, {.imgsz = 128, .batch = 5, .activations = DType::kF32}).total();
  EXPECT_NEAR(static_cast<double>(five), static_cast<double>(apart), 1e5);
}

TEST(LargestBatch, IsTheLastThatFits) {
  int calls = 0;
  const auto line = [&](int images) {
    ++calls;
    return static_cast<std::size_t>(1000 + 10 * images);
  };
  EXPECT_EQ(largest_batch(line, 1009, 100), 0);
  EXPECT_EQ(largest_batch(line, 1010, 100), 1);
  EXPECT_EQ(largest_batch(line, 1369, 100), 36);
  EXPECT_EQ(largest_batch(line, 1370, 100), 37);
  EXPECT_EQ(largest_batch(line, 2000, 100), 100);
  EXPECT_EQ(largest_batch(line, 1 << 30, 100), 100);
  calls = 0;
  EXPECT_EQ(largest_batch(line, 5000, 1024), 400);
  EXPECT_LE(calls, 10);
  // Far from a line.
  const auto steps = [](int images) { return static_cast<std::size_t>(images < 30 ? images : 100000 * images); };
  EXPECT_EQ(largest_batch(steps, 5000, 1024), 29);
}

TEST(LargestBatch, OfARealStep) {
  DrySteps steps(yolo11("n"), 320, DType::kF32);
  const auto bytes = [&](int images) { return memory_plan(steps, images).total(); };
  const std::size_t room = bytes(11) + 1000;
  EXPECT_EQ(largest_batch(bytes, room, 64), 11);
}

TEST(MemoryPlan, TableNamesEachPart) {
  const MemoryPlan plan{{{"weights", 3 << 20}, {"batches", 1 << 19}}};
  EXPECT_EQ(memory_table(plan, "a.yaml", {.imgsz = 320, .batch = 8}),
            "a.yaml: a training step of 8 images of 320 x 320 in bf16, not computed but counted\n"
            "part                                                 MiB\n"
            "weights                                              3.0\n"
            "batches                                              0.5\n"
            "all                                                  3.5\n"
            "without the program, its libraries and their workspaces: some hundred MiB on a GPU\n");
}

}  // namespace
}  // namespace boxcar
