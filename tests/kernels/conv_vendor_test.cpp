// Convolutions of a library's plan on emulated CUDA: what a plan leaves to do (types, sums, statistics), with a plan
// that convolves by loops.
#include <gtest/gtest.h>

#include <cmath>

#include "boxcar/kernels/conv/conv_plans.h"
#include "boxcar/runtime/device/graph.h"
#include "support/loop_convolutions.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::FakeEngine;
using test::tensor_of;
using test::whole_values;

const ConvOptions kOptions{.kernel = 3, .stride = 2, .padding = 1};
const Shape kX{2, 7, 6, 5}, kY{2, 4, 3, 6}, kW{6, 3, 3, 5};

class ConvVendorTest : public ::testing::TestWithParam<bool> {
 protected:
  ConvVendorTest() {
    conv_plans(library_).set_timed(GetParam());
    conv_plans(library_).set_log(Log([this](LogLevel, std::string_view message) { log_.emplace_back(message); }));
    conv_plans(library_).add_engine(test::loop_engine(counts_));
  }

  // What `run` gives with our own kernel and with the plan.
  void expect_same(const std::function<std::vector<float>(Stream&)>& run) {
    const std::vector<float> wanted = run(own_);
    counts_->runs = 0;
    EXPECT_EQ(run(library_), wanted);
    EXPECT_GT(counts_->runs, 0);
  }
  static Tensor whole(Stream& stream, Shape shape, DType dtype, unsigned seed) {
    return tensor_of(stream, shape, whole_values(shape.count(), 3, seed), dtype);
  }

  std::shared_ptr<FakeEngine::Counts> counts_ = std::make_shared<FakeEngine::Counts>();
  std::vector<std::string> log_;
  Stream own_{Device::cuda()}, library_{Device::cuda()};
};

// With whole numbers sums are exact, in any order.
TEST_P(ConvVendorTest, ForwardWithStatisticsThatMoveOnce) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    expect_same([&](Stream& stream) {
      const Tensor x = whole(stream, kX, dtype, 1), w = whole(stream, kW, DType::kF32, 2);
      const Tensor y = Tensor::empty(stream, kY, dtype);
      const Tensor moments = Tensor::zeros(stream, {1, 1, 2, 6}), running = Tensor::zeros(stream, {1, 1, 2, 6});
      const BatchStatistics statistics{
          .mean_rstd = moments.as(), .running_mean = running.as(), .running_var = running.as() + 6, .momentum = 0.25f};
      conv_forward(stream, {.x = x, .w = w, .y = y, .options = kOptions, .statistics = statistics});
      std::vector<float> all = y.to_host(stream);
      for (const float value : running.to_host(stream)) all.push_back(std::round(value * 1024));
      return all;
    });
  }
}

TEST_P(ConvVendorTest, ForwardToF32WithBias) {
  expect_same([&](Stream& stream) {
    const Tensor x = whole(stream, kX, DType::kBF16, 1), w = whole(stream, kW, DType::kBF16, 2);
    const Tensor bias = whole(stream, {1, 1, 1, 6}, DType::kF32, 3), y = Tensor::empty(stream, kY);
    conv_forward(stream, {x, w, bias.as(), y, kOptions});
    return y.to_host(stream);
  });
}

TEST_P(ConvVendorTest, BackwardInput) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    expect_same([&](Stream& stream) {
      const Tensor dy = whole(stream, kY, dtype, 1), w = whole(stream, kW, DType::kF32, 2);
      const Tensor dx = test::unwritten(stream, kX, dtype);
      conv_backward_input(stream, {dy, w, dx, kOptions});
      return dx.to_host(stream);
    });
  }
}

// Three times w, so that it shows which was read.
TEST_P(ConvVendorTest, RoundedWeightsAreReadInsteadOfBeingMade) {
  const Tensor x = whole(library_, kX, DType::kBF16, 1), w = whole(library_, kW, DType::kF32, 2);
  std::vector<float> values = whole_values(kW.count(), 3, 2);
  for (float& value : values) value *= 3;
  const Tensor rounded = tensor_of(library_, kW, values, DType::kBF16);
  const Tensor y = Tensor::empty(library_, kY), dx = Tensor::empty(library_, kX, DType::kBF16);
  const Tensor dy = whole(library_, kY, DType::kBF16, 3);
  const auto launches = [&](const std::optional<TensorView>& copy) {
    const auto passes = [&] {
      conv_forward(library_, {.x = x, .w = w, .y = y, .options = kOptions, .rounded = copy});
      conv_backward_input(library_, {dy, w, dx, kOptions, copy});
    };
    passes();
    library_.synchronize();
    library_.begin_capture();
    passes();
    return library_.end_capture().kernels();
  };
  EXPECT_EQ(launches({}), 4);
  const std::vector<float> made = y.to_host(library_);
  EXPECT_EQ(launches(rounded), 2);
  const std::vector<float> read = y.to_host(library_);
  for (std::size_t i = 0; i < read.size(); ++i) EXPECT_EQ(read[i], 3 * made[i]);
  // Of f32 tensors w itself.
  const Tensor x32 = whole(library_, kX, DType::kF32, 1);
  conv_forward(library_, {.x = x32, .w = w, .y = y, .options = kOptions, .rounded = rounded});
  EXPECT_EQ(y.to_host(library_), made);
}

TEST_P(ConvVendorTest, WeightsThatAreKeptAreRoundedOnce) {
  const Tensor x = whole(library_, kX, DType::kBF16, 1), w = whole(library_, kW, DType::kF32, 2);
  const Tensor fresh = Tensor::empty(library_, kY), y = Tensor::empty(library_, kY);
  conv_forward(library_, {x, w, nullptr, fresh, kOptions});
  ConvWeightCache cache;
  const auto recorded = [&] {
    library_.synchronize();
    library_.begin_capture();
    conv_forward(library_, {x, w, nullptr, y, kOptions, {}, &cache});
    return library_.end_capture();
  };
  EXPECT_EQ(recorded().kernels(), 2);
  EXPECT_FALSE(cache.orders);
  conv_forward(library_, {x, w, nullptr, y, kOptions, {}, &cache});
  EXPECT_EQ(y.to_host(library_), fresh.to_host(library_));
  Graph again = recorded();
  EXPECT_EQ(again.kernels(), 1);
  library_.fill(y.view().data, 0, static_cast<std::size_t>(kY.count()) * sizeof(float));
  again.launch(library_);
  EXPECT_EQ(y.to_host(library_), fresh.to_host(library_));
}

TEST_P(ConvVendorTest, BackwardWeightIsWrittenOrAddedOnce) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const GradMode mode : {GradMode::kOverwrite, GradMode::kAdd}) {
      expect_same([&](Stream& stream) {
        const Tensor x = whole(stream, kX, dtype, 1), dy = whole(stream, kY, dtype, 2);
        const Tensor dw = whole(stream, kW, DType::kF32, 3), dbias = whole(stream, {1, 1, 1, 6}, DType::kF32, 4);
        for (int i = 0; i < 2; ++i) conv_backward_weight(stream, {x, dy, dw, dbias.as(), kOptions, mode});
        std::vector<float> all = dw.to_host(stream);
        for (const float value : dbias.to_host(stream)) all.push_back(value);
        return all;
      });
    }
  }
}

TEST_P(ConvVendorTest, UnalignedTensorsTakeOurOwnKernel) {
  const Tensor wide = Tensor::zeros(library_, {1, 1, 1, static_cast<int>(kX.count()) + 1});
  const Tensor w = whole(library_, kW, DType::kF32, 2), y = Tensor::empty(library_, kY);
  TensorView x = wide.view();
  x = {x.as() + 1, DType::kF32, kX.n, kX.h, kX.w, kX.c, kX.c};
  conv_forward(library_, {x, w, nullptr, y, kOptions});
  EXPECT_EQ(counts_->offers, 0);
}

TEST_P(ConvVendorTest, ARecordingRepeatsThePlanButChoosesNone) {
  const Tensor x = whole(library_, kX, DType::kF32, 1), w = whole(library_, kW, DType::kF32, 2);
  const Tensor y = Tensor::zeros(library_, kY);
  const auto recorded = [&] {
    library_.begin_capture();
    conv_forward(library_, {x, w, nullptr, y, kOptions});
    return library_.end_capture();
  };
  Graph unknown = recorded();
  Graph again = recorded();
  EXPECT_EQ(counts_->offers, 0);
  ASSERT_EQ(log_.size(), 1u) << "said once";
  EXPECT_NE(log_[0].find("first seen in a recording"), std::string::npos) << log_[0];
  unknown.launch(library_);
  const std::vector<float> by_own = y.to_host(library_);

  conv_forward(library_, {x, w, nullptr, y, kOptions});
  EXPECT_EQ(counts_->offers, 1);
  Graph known = recorded();
  library_.fill(y.view().data, 0, static_cast<std::size_t>(kY.count()) * sizeof(float));
  known.launch(library_);
  EXPECT_EQ(y.to_host(library_), by_own);
  EXPECT_EQ(counts_->offers, 1);
}

INSTANTIATE_TEST_SUITE_P(Emulated, ConvVendorTest, ::testing::Bool(),
                         [](const auto& one) { return one.param ? "timed" : "untimed"; });

}  // namespace
}  // namespace boxcar::kernels
