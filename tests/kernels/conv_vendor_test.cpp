// Convolutions of a library's plan on emulated CUDA: what a plan leaves to do (types, sums, statistics), with a plan
// that convolves by loops.
#include <gtest/gtest.h>

#include <cmath>

#include "boxcar/kernels/conv/conv_plans.h"
#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/graph.h"
#include "support/fake_convolutions.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::FakeEngine;
using test::tensor_of;
using test::whole_values;

const ConvOptions kOptions{.kernel = 3, .stride = 2, .padding = 1};
const Shape kX{2, 7, 6, 5}, kY{2, 4, 3, 6}, kW{6, 3, 3, 5};

float get(const void* data, DType dtype, std::int64_t i) {
  return dtype == DType::kBF16 ? static_cast<float>(static_cast<const bfloat16*>(data)[i])
                               : static_cast<const float*>(data)[i];
}
void put(void* data, DType dtype, std::int64_t i, float value) {
  if (dtype == DType::kBF16) {
    static_cast<bfloat16*>(data)[i] = bfloat16(value);
  } else {
    static_cast<float*>(data)[i] = value;
  }
}

// Calls f(index in x, in w, in y) for each product of a convolution.
template <class F>
void for_each_product(const ConvProblem& p, const F& f) {
  const ConvOptions& o = p.options;
  for (int n = 0; n < p.y.n; ++n) {
    for (int at = 0; at < p.y.h * p.y.w * p.y.c * o.kernel * o.kernel * p.x.c; ++at) {
      int rest = at;
      const auto next = [&rest](int size) {
        const int i = rest % size;
        rest /= size;
        return i;
      };
      const int c = next(p.x.c), kx = next(o.kernel), ky = next(o.kernel), out = next(p.y.c), x = next(p.y.w), y = rest;
      const int row = y * o.stride - o.padding + ky, column = x * o.stride - o.padding + kx;
      if (row < 0 || row >= p.x.h || column < 0 || column >= p.x.w) continue;
      f(((std::int64_t{n} * p.x.h + row) * p.x.w + column) * p.x.c + c,
        ((std::int64_t{out} * o.kernel + ky) * o.kernel + kx) * p.x.c + c,
        ((std::int64_t{n} * p.y.h + y) * p.y.w + x) * p.y.c + out);
    }
  }
}

void convolve(const ConvProblem& p, const ConvOperands& o) {
  const bool forward = p.pass == ConvPass::kForward, input = p.pass == ConvPass::kBackwardInput;
  const Shape result = forward ? p.y : input ? p.x : Shape{p.y.c, p.options.kernel, p.options.kernel, p.x.c};
  std::vector<float> sums(static_cast<std::size_t>(result.count()));
  for_each_product(p, [&](std::int64_t x, std::int64_t w, std::int64_t y) {
    if (forward) {
      sums[static_cast<std::size_t>(y)] += get(o.x, p.type, x) * get(o.w, p.type, w);
    } else if (input) {
      sums[static_cast<std::size_t>(x)] += get(o.y, p.type, y) * get(o.w, p.type, w);
    } else {
      sums[static_cast<std::size_t>(w)] += get(o.x, p.type, x) * get(o.y, p.type, y);
    }
  });
  for (std::int64_t i = 0; i < result.count(); ++i) {
    const float bias = p.bias ? o.bias[i % p.y.c] : 0.0f;
    put(forward ? o.y : input ? o.x : o.w, p.result, i, sums[static_cast<std::size_t>(i)] + bias);
  }
}

class ConvVendorTest : public ::testing::TestWithParam<bool> {
 protected:
  ConvVendorTest() {
    conv_plans(library_).set_timed(GetParam());
    conv_plans(library_).set_log(Log([this](LogLevel, std::string_view message) { log_.emplace_back(message); }));
    conv_plans(library_).add_engine(std::make_unique<FakeEngine>(
        "libloops 1",
        [](const ConvProblem& problem) {
          // At its place in the stream; like a library it is not waited for.
          const auto run = [problem](Stream& stream, const ConvOperands& operands) {
            stream.backend().enqueue("loops", [=] { convolve(problem, operands); });
          };
          return std::vector<test::FakePlan>{{"loops", run}};
        },
        counts_));
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
