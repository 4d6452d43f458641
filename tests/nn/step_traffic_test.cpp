// What a training step moves and launches, counted without computing it.
#include "boxcar/nn/model/step_traffic.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/model/detection_model.h"
#include "boxcar/runtime/profile/profiler.h"
#include "support/tensors.h"

namespace boxcar {
namespace {

ModelSpec yolo11(const std::string& scale) {
  return load_model_spec(std::string(BOXCAR_SOURCE_DIR) + "/cfg/models/yolo11.yaml", {.scale = scale});
}

std::map<std::string, StepTraffic::Op> by_name(const StepTraffic& traffic) {
  std::map<std::string, StepTraffic::Op> ops;
  for (const StepTraffic::Op& op : traffic.ops) ops[op.name] = op;
  return ops;
}

struct Goal {
  const char* scale;
  double megabytes;       // an image: normalisation fused with what surrounds it, nothing copied
  std::int64_t launches;  // a step, with statistics of batches in the convolutions' kernels
  std::int64_t copies;    // of these: of all weights to bf16, and between attention or head and their neighbours
};

class Goals : public testing::TestWithParam<Goal> {};

TEST_P(Goals, BytesAndLaunchesOfAStep) {
  const Goal& goal = GetParam();
  const StepTraffic traffic = step_traffic(yolo11(goal.scale), 640);
  const auto ops = by_name(traffic);
  EXPECT_LE(double(traffic.total().bytes_an_image) * 1e-6, 1.15 * goal.megabytes);
  EXPECT_GE(double(traffic.total().bytes_an_image), double(traffic.fused_bytes_an_image()));
  EXPECT_LE(traffic.total().launches, goal.launches);
  EXPECT_LE(ops.at("detection_loss").launches + ops.at("scale_loss_gradients").launches, 12);
  EXPECT_LE(ops.at("set_coefficients").launches + ops.at("gradient_norm").launches + ops.at("optimizer_step").launches,
            3);
  EXPECT_EQ(ops.at("render").launches, 1);
  EXPECT_LE(ops.at("copy").launches, goal.copies);
  for (const auto& [name, op] : ops) EXPECT_GT(op.bytes_an_image + op.bytes_a_step, 0) << name << " does not tell";
}

INSTANTIATE_TEST_SUITE_P(Yolo11, Goals,
                         testing::Values(Goal{"n", 496, 600, 13}, Goal{"m", 1989, 750, 13}, Goal{"x", 3909, 1150, 19}),
                         [](const auto& goal) { return std::string(goal.param.scale); });

// Forward and backward pass of two images of 64 x 64, on the CPU and in f32; the ops' rows.
std::map<std::string, Profiler::Row> computed(const ModelSpec& spec) {
  Stream stream;
  DetectionModel model(spec);
  model.prepare(stream);
  model.set_trace([](int, const nn::Value&) {});  // each row by itself, as on a GPU, without joins
  const nn::ParamArena arena(model, stream, 0);
  const std::unique_ptr<Criterion> criterion = model.init_criterion();
  criterion->attach(model);
  Profiler profiler;
  stream.set_profiler(&profiler);
  nn::Context context(stream);
  const Shape shape{2, 64, 64, 3};
  const Batch batch{test::tensor_of(stream, shape, test::random_values(shape.count(), 3)),
                    Tensor::from(stream, {1, 1, 1, 6}, {0, 0, 0.5f, 0.5f, 0.4f, 0.4f})};
  const Loss loss = (*criterion)(context, model.forward(context, nn::Value(context, batch.images)), batch);
  loss.total.add_grad(stream, Tensor::from(stream, {}, {1.0f}), nn::Own::kExclusive);
  context.backward();
  stream.set_profiler(nullptr);
  std::map<std::string, Profiler::Row> rows;
  for (const Profiler::Row& row : profiler.rows()) rows[row.name] = row;
  return rows;
}

// The CPU fuses some backward passes in f32; what is counted is a GPU's work, which has three ops there. Their bytes
// are compared with the fused op's by ConvNormActBackwardChecks.MovesThreeTimesDzLessThanTheThreeOps.
TEST(StepTraffic, CountsTheOpsOfAStepThatIsComputed) {
  auto rows = computed(yolo11("n"));
  const std::int64_t fused = rows.at("conv_norm_act_backward").calls;
  EXPECT_GT(fused, 0);
  auto counted = by_name(step_traffic(yolo11("n"), 64, DType::kF32));
  for (const char* own : {"render", "set_coefficients", "gradient_norm", "optimizer_step", "zero_grads"}) {
    EXPECT_EQ(counted.erase(own), 1u) << own;
  }
  EXPECT_GT(counted.size(), 12u);
  const std::set<std::string> kFused{"norm_act_backward", "conv_backward_input", "conv_backward_weight"};
  for (const auto& [name, op] : counted) {
    ASSERT_TRUE(rows.contains(name)) << name;
    if (kFused.contains(name)) {
      EXPECT_EQ(op.calls, rows.at(name).calls + fused) << name;
      continue;
    }
    EXPECT_EQ(op.calls, rows.at(name).calls) << name;
    EXPECT_EQ(2 * op.bytes_an_image + op.bytes_a_step, rows.at(name).cost.bytes) << name;
  }
}

TEST(StepTraffic, GrowsWithThePixels) {
  const auto small = by_name(step_traffic(yolo11("n"), 64)), large = by_name(step_traffic(yolo11("n"), 128));
  for (const char* name : {"conv_forward", "norm_act_backward", "render", "detection_loss"}) {
    EXPECT_EQ(4 * small.at(name).bytes_an_image, large.at(name).bytes_an_image) << name;
    EXPECT_EQ(small.at(name).bytes_a_step, large.at(name).bytes_a_step) << name;
  }
  EXPECT_EQ(small.at("optimizer_step").bytes_an_image, 0);
}

TEST(StepTraffic, TableHasARowForEachOpAndTheirSum) {
  const StepTraffic traffic{
      {{"one", 3, 6, 2'000'000, 0}, {"two", 1, 1, 0, 500'000}, {"silent", 1, 1, 0, 0}}, 100'000, 70'000};
  EXPECT_EQ(traffic_table(traffic, 640),
            "one training step at 640 x 640 in bf16, not computed but counted\n"
            "op                            calls  launches   MB an image     MB a step\n"
            "one                               3         6          2.00          0.00\n"
            "two                               1         1          0.00          0.50\n"
            "silent                            1         1             ?             ?\n"
            "all                               5         8          2.00          0.50\n"
            "3 I + 10 Z of its convolutions: 2.00 MB an image; 1.000 of that is moved\n");
}

}  // namespace
}  // namespace boxcar
