// The bf16 copy of the weights that the convolutions of a pass read, on emulated CUDA.
#include <gtest/gtest.h>

#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/modules/conv.h"
#include "boxcar/runtime/device/graph.h"
#include "support/loop_convolutions.h"
#include "support/tensors.h"

namespace boxcar::nn {
namespace {

// A dense convolution, a depthwise one and a head's.
class Network final : public Module {
 public:
  Value forward(Context& context, const Value& x) {
    return head_.forward(context, depthwise_.forward(context, dense_.forward(context, x)));
  }

 private:
  ConvBnAct dense_{this, "dense", 8, 16, {.kernel = 3}};
  ConvBnAct depthwise_{this, "depthwise", 16, 16, {.kernel = 3, .groups = 16}};
  Conv head_{this, "head", 16, 4, {.kernel = 1}};
};
constexpr int kPassesWithWeights = 6;  // three forward, three for gradients of their inputs

class RoundedWeights : public testing::Test {
 protected:
  RoundedWeights() {
    kernels::conv_plans(stream_).add_engine(test::loop_engine(std::make_shared<test::FakeEngine::Counts>()));
  }

  Parameter& weight() {
    Parameter* found = nullptr;
    network_.for_each_parameter([&](const std::string& name, Parameter& p) {
      if (name == "depthwise.conv.weight") found = &p;
    });
    return *found;
  }
  // Where no parameter says what it lies in, each pass rounds its own weights.
  void forget_arena() {
    network_.for_each_parameter([](const std::string&, Parameter& p) { p.arena.reset(); });
  }

  // The output, then gradients of the input and of all weights.
  std::vector<float> pass(DType activations = DType::kBF16) {
    arena_.zero_grads();
    Context context(stream_, Pass::kTrain, activations);
    const Value x(context, x_, true);
    const Value y = network_.forward(context, x);
    y.add_grad(stream_, dy_, Own::kShared);
    context.backward();
    std::vector<float> all = y.to_host();
    test::append(all, x.grad().as_one(stream_).to_host(stream_));
    test::append(all, arena_.grads_tensor().to_host(stream_));
    return all;
  }
  int launches() {
    stream_.synchronize();
    stream_.begin_capture();
    {
      Context context(stream_, Pass::kTrain, DType::kBF16);
      const Value x(context, x_, true);
      const Value y = network_.forward(context, x);
      y.add_grad(stream_, dy_, Own::kShared);
      context.backward();
    }
    return stream_.end_capture().kernels();
  }
  void expect_what_each_pass_rounding_its_own_gives() {
    const std::vector<float> shared = pass();
    forget_arena();
    EXPECT_EQ(shared, pass());
    arena_.bind_values(arena_.values_tensor());
  }

  Stream stream_{Device::cuda()};
  Network network_;
  ParamArena arena_{network_, stream_, 1};
  const Shape shape_{2, 5, 6, 8};
  Tensor x_ = test::tensor_of(stream_, shape_, test::random_values(shape_.count(), 1), DType::kBF16);
  Tensor dy_ = test::tensor_of(stream_, {2, 5, 6, 4}, test::random_values(240, 2));
};

TEST_F(RoundedWeights, TakeOneLaunchAPass) {
  const std::vector<float> with_copy = pass();
  const int once = launches();
  forget_arena();
  EXPECT_EQ(pass(), with_copy);
  EXPECT_EQ(launches(), once + kPassesWithWeights - 1);
}

TEST_F(RoundedWeights, FollowEveryChangeBetweenPasses) {
  std::vector<float> before = pass();
  const auto expect_new = [&](const char* what) {
    SCOPED_TRACE(what);
    const std::vector<float> now = pass();
    EXPECT_NE(now, before);
    expect_what_each_pass_rounding_its_own_gives();
    before = now;
  };
  const std::vector<float> other = test::random_values(weight().shape.count(), 3);
  stream_.copy(weight().value.view().data, other.data(), other.size() * sizeof(float));
  stream_.synchronize();
  expect_new("written");
  load(weight(), to_file(weight(), test::random_values(weight().shape.count(), 4)), stream_);
  expect_new("loaded");
  const Tensor raw = arena_.bind_values(
      test::tensor_of(stream_, arena_.values_tensor().shape(), test::random_values(arena_.values_tensor().count(), 5)));
  expect_new("averages");
  arena_.bind_values(raw);
  expect_new("and back");
}

TEST_F(RoundedWeights, AreRoundedOnceMoreWhenToldOfAChange) {
  Context context(stream_, Pass::kTrain, DType::kBF16);
  const TensorView first = *context.rounded(weight());
  EXPECT_EQ(context.rounded(weight())->data, first.data);
  EXPECT_EQ(context.rounded_bytes(), arena_.parameters().size() * 2);
  const std::vector<float> other = test::random_values(weight().shape.count(), 3);
  stream_.copy(weight().value.view().data, other.data(), other.size() * sizeof(float));
  stream_.synchronize();
  context.parameters_changed();
  EXPECT_EQ(Tensor::wrap(*context.rounded(weight()), nullptr).to_host(stream_), test::rounded_to(DType::kBF16, other));
}

TEST_F(RoundedWeights, OfSeveralArenasLieApart) {
  Network teacher;
  const ParamArena values(teacher, stream_, 2);
  Context context(stream_, Pass::kTrain, DType::kBF16);
  teacher.for_each_parameter([&](const std::string& name, Parameter& p) {
    if (p.kind != StateKind::kParameter) return;
    EXPECT_EQ(Tensor::wrap(*context.rounded(p), nullptr).to_host(stream_),
              test::rounded_to(DType::kBF16, p.value.to_host(stream_)))
        << name;
  });
  EXPECT_EQ(Tensor::wrap(*context.rounded(weight()), nullptr).to_host(stream_),
            test::rounded_to(DType::kBF16, weight().value.to_host(stream_)));
}

TEST_F(RoundedWeights, AreNoneWhereNothingReadsThem) {
  Context floats(stream_);
  EXPECT_FALSE(floats.rounded(weight()));
  Context context(stream_, Pass::kTrain, DType::kBF16);
  Parameter apart{.name = "apart", .shape = weight().shape};
  EXPECT_FALSE(context.rounded(apart));
  apart.value = Tensor::zeros(stream_, apart.shape);
  EXPECT_FALSE(context.rounded(apart));
  apart.arena = weight().arena;  // and has left it
  EXPECT_FALSE(context.rounded(apart));
  Stream cpu;
  Network network;
  const ParamArena arena(network, cpu, 1);
  Context here(cpu, Pass::kTrain, DType::kBF16);
  network.for_each_parameter([&](const std::string&, Parameter& p) { EXPECT_FALSE(here.rounded(p)); });
  EXPECT_EQ(here.rounded_bytes(), 0u);
}

}  // namespace
}  // namespace boxcar::nn
