// A network in bf16 against the same one in f32.
#include <gtest/gtest.h>

#include <cmath>

#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/autograd/ops/ops.h"
#include "boxcar/nn/model/detection_model.h"
#include "support/tensors.h"

namespace boxcar {
namespace {

// sqrt(sum (a - b)^2 / sum b^2)
double relative_rms(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
    size += double(b[i]) * b[i];
  }
  return std::sqrt(difference / size);
}

// Pictures of coloured blobs on a gradient. Not noise: layers would average it away, and batch norm enlarge what is
// left, rounding and all.
std::vector<float> blobs(int n, int h, int w) {
  std::vector<float> pixels;
  for (int i = 0; i < n; ++i) {
    for (int y = 0; y < h; ++y) {
      for (int x = 0; x < w; ++x) {
        for (int c = 0; c < 3; ++c) {
          float value = 0.5f * float(x + y) / float(h + w);
          for (int b = 0; b < 6; ++b) {
            const float cx = float((37 * b + 90 * i) % w), cy = float((61 * b + 40 * i) % h), r = float(8 + 9 * b);
            const float d2 = ((float(x) - cx) * (float(x) - cx) + (float(y) - cy) * (float(y) - cy)) / (r * r);
            if (d2 < 1) value = float((b + 2 * c) % 5) / 4;
          }
          pixels.push_back(value);
        }
      }
    }
  }
  return pixels;
}

class Bf16Network : public testing::Test {
 protected:
  void SetUp() override {
    if (!kernels::cpu_has_bf16()) GTEST_SKIP() << "this CPU has no bf16 instructions";
    const std::string yaml = std::string(BOXCAR_SOURCE_DIR) + "/cfg/models/yolo11.yaml";
    model_ = std::make_unique<DetectionModel>(load_model_spec(yaml, {.nc = 3, .scale = "n"}));
    model_->prepare(stream_);
    arena_ = std::make_unique<nn::ParamArena>(*model_, stream_, 0);
    images_ = Tensor::from(stream_, {2, 128, 160, 3}, blobs(2, 128, 160));
  }

  // All outputs one after the other, and the gradients of their sum weighted by random numbers of mean 0 (a constant
  // part would be taken out again by batch norm's backward pass, and only its rounding stay).
  struct Run {
    std::vector<float> outputs, grads;
  };
  Run run(DType activations) {
    arena_->zero_grads();
    nn::Context context(stream_, nn::Pass::kTrain, activations);
    const Outputs outputs = model_->forward(context, nn::Value(context, images_));
    Run result;
    for (const nn::Value& output : outputs) {
      EXPECT_EQ(output.dtype(), DType::kF32);
      test::append(result.outputs, output.to_host());
      const Shape shape = output.shape();
      output.add_grad(stream_, Tensor::from(stream_, shape, test::random_values(shape.count(), 7)),
                      nn::Own::kExclusive);
    }
    context.backward();
    EXPECT_EQ(context.copies(), 0);
    result.grads.assign(arena_->grads().begin(), arena_->grads().end());
    return result;
  }

  Stream stream_;
  std::unique_ptr<DetectionModel> model_;
  std::unique_ptr<nn::ParamArena> arena_;
  Tensor images_;
};

// The yardstick is f32 arithmetic with weights and images rounded to bf16 once: what batch norm makes of that in a
// fresh network is large. bf16 arithmetic rounds z and y of each layer besides, and dz and dx on the way back: five
// roundings instead of one, sqrt(5) = 2.2 times the error if they are independent.
TEST_F(Bf16Network, DiffersFromF32ByWhatRoundingExplains) {
  constexpr double kRoundings = 3;
  const Run f32 = run(DType::kF32), bf16 = run(DType::kBF16);
  const std::vector<float> rounded = test::rounded_to(DType::kBF16, {arena_->values().begin(), arena_->values().end()});
  std::copy(rounded.begin(), rounded.end(), arena_->values().begin());
  images_ = Tensor::from(stream_, images_.shape(), test::rounded_to(DType::kBF16, images_.to_host(stream_)));
  const Run yardstick = run(DType::kF32);
  EXPECT_GT(relative_rms(bf16.outputs, f32.outputs), 1e-4) << "was it f32?";
  EXPECT_LT(relative_rms(bf16.outputs, f32.outputs), kRoundings * relative_rms(yardstick.outputs, f32.outputs));
  EXPECT_LT(relative_rms(bf16.grads, f32.grads), kRoundings * relative_rms(yardstick.grads, f32.grads));
}

TEST_F(Bf16Network, EqualRunsGiveEqualBits) {
  const Run first = run(DType::kBF16), second = run(DType::kBF16);
  EXPECT_EQ(first.outputs, second.outputs);
  EXPECT_EQ(first.grads, second.grads);
}

TEST(Cast, GoesThereAndItsGradientBack) {
  Stream stream;
  nn::Context context(stream, nn::Pass::kTrain, DType::kBF16);
  const nn::Value x(context, Tensor::from(stream, {1, 1, 1, 3}, {1.0f, 1.00390625f, -2.5f}), true);
  const nn::Value y = nn::cast(context, x, DType::kBF16);
  EXPECT_EQ(y.dtype(), DType::kBF16);
  EXPECT_EQ(y.to_host(), (std::vector<float>{1.0f, 1.0f, -2.5f}));  // 1 + 2^-8: a tie, to the even neighbour
  y.add_grad(stream, test::tensor_of(stream, {1, 1, 1, 3}, {1, 2, 3}, DType::kBF16), nn::Own::kExclusive);
  context.backward();
  const Tensor dx = x.grad().as_one(stream);
  EXPECT_EQ(dx.dtype(), DType::kF32);
  EXPECT_EQ(dx.to_host(stream), (std::vector<float>{1, 2, 3}));
}

TEST(Cast, SmallOpsTakeBf16AndGiveF32) {
  Stream stream;
  nn::Context context(stream, nn::Pass::kTrain, DType::kBF16);
  const nn::Value x(context, test::tensor_of(stream, {1, 1, 1, 2}, {3, -4}, DType::kBF16), true);
  const nn::Value y = nn::square(x);
  EXPECT_EQ(y.dtype(), DType::kF32);
  EXPECT_EQ(y.to_host(), (std::vector<float>{9, 16}));
}

}  // namespace
}  // namespace boxcar
