// 1x1 convolutions as matrix products, with a library that multiplies by three loops.
#include "boxcar/kernels/conv/conv_gemm.h"

#include <gtest/gtest.h>

#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::tensor_of;
using test::unwritten;
using test::whole_values;

class PlainAlgorithm final : public MatmulAlgorithm {
 public:
  explicit PlainAlgorithm(const MatmulShape& shape) : s_(shape) {}
  std::string name() const override { return "three loops"; }
  std::size_t workspace_bytes() const override { return 0; }
  void run(Stream&, const MatmulOperands& o, void*) override {
    const auto *a = static_cast<const float*>(o.a), *b = static_cast<const float*>(o.b);
    auto* d = static_cast<float*>(o.d);
    for (int i = 0; i < s_.m; ++i) {
      for (int j = 0; j < s_.n; ++j) {
        float sum = 0;
        for (int k = 0; k < s_.k; ++k) {
          sum += (s_.transpose_a ? a[k * s_.lda + i] : a[i * s_.lda + k]) *
                 (s_.transpose_b ? b[j * s_.ldb + k] : b[k * s_.ldb + j]);
        }
        d[i * s_.ldd + j] = sum + (s_.bias ? o.bias[j] : 0.0f);
      }
    }
  }

 private:
  MatmulShape s_;
};

class PlainLibrary final : public MatmulLibrary {
 public:
  std::string version() const override { return "libplain 1"; }
  std::vector<std::shared_ptr<MatmulAlgorithm>> algorithms(const MatmulShape& shape, int most) override {
    return {static_cast<std::size_t>(most), std::make_shared<PlainAlgorithm>(shape)};
  }
  std::shared_ptr<MatmulAlgorithm> restore(const MatmulShape& shape, std::string_view name) override {
    return name == "three loops" ? std::make_shared<PlainAlgorithm>(shape) : nullptr;
  }
};

// Batch, pixels, channels in and out are all different, so that none can stand for another.
const Shape kX{2, 3, 5, 4}, kY{2, 3, 5, 7}, kW{7, 1, 1, 4};

class ConvGemmTest : public ::testing::Test {
 protected:
  std::unique_ptr<ConvEngine> engine_ = make_gemm_engine(std::make_shared<PlainLibrary>());
  Stream stream_;
  const Tensor x_ = tensor_of(stream_, kX, whole_values(kX.count(), 4, 1)),
               w_ = tensor_of(stream_, kW, whole_values(kW.count(), 4, 2)),
               dy_ = tensor_of(stream_, kY, whole_values(kY.count(), 4, 3));

  void run(const ConvProblem& problem, const Tensor& x, const Tensor& w, const Tensor& y, const float* bias = nullptr) {
    const std::vector<ConvOffer> offers = engine_->offers(problem, {.most = 1});
    ASSERT_EQ(offers.size(), 1u);
    ASSERT_TRUE(offers[0].plan) << offers[0].refusal;
    EXPECT_TRUE(engine_->restore(problem, offers[0].name));
    offers[0].plan->run(stream_, {x.view().data, w.view().data, y.view().data, bias}, nullptr);
  }
};

TEST_F(ConvGemmTest, ForwardIsTheConvolution) {
  const Tensor bias = tensor_of(stream_, {1, 1, 1, 7}, {1, 2, 3, 4, 5, 6, 7});
  const Tensor wanted = unwritten(stream_, kY), got = unwritten(stream_, kY);
  conv_forward(stream_, {x_, w_, bias.as(), wanted, {}});
  run({.pass = ConvPass::kForward, .x = kX, .y = kY, .bias = true}, x_, w_, got, bias.as());
  EXPECT_EQ(got.to_host(stream_), wanted.to_host(stream_));
}

TEST_F(ConvGemmTest, BackwardInputIsItsAdjoint) {
  const Tensor wanted = unwritten(stream_, kX), got = unwritten(stream_, kX);
  conv_backward_input(stream_, {dy_, w_, wanted, {}});
  run({.pass = ConvPass::kBackwardInput, .x = kX, .y = kY}, got, w_, dy_);
  EXPECT_EQ(got.to_host(stream_), wanted.to_host(stream_));
}

TEST_F(ConvGemmTest, BackwardWeightToo) {
  const Tensor wanted = unwritten(stream_, kW), got = unwritten(stream_, kW);
  conv_backward_weight(stream_, {x_, dy_, wanted, nullptr, {}});
  run({.pass = ConvPass::kBackwardWeight, .x = kX, .y = kY}, x_, got, dy_);
  EXPECT_EQ(got.to_host(stream_), wanted.to_host(stream_));
}

TEST_F(ConvGemmTest, RefusesWhatIsNoMatrixProduct) {
  const auto refusal = [&](const ConvProblem& problem) { return engine_->offers(problem, {.most = 1})[0].refusal; };
  const ConvProblem plain{.x = kX, .y = kY};
  EXPECT_EQ(refusal(plain), "");
  for (const ConvOptions& options : {ConvOptions{.kernel = 3, .padding = 1}, ConvOptions{.stride = 2},
                                     ConvOptions{.padding = 1}, ConvOptions{.groups = 2}}) {
    ConvProblem other = plain;
    other.options = options;
    EXPECT_EQ(refusal(other), "not 1x1 of stride 1");
    EXPECT_FALSE(engine_->restore(other, "three loops"));
  }
  ConvProblem other = plain;
  other.act = ActKind::kSilu;
  EXPECT_EQ(refusal(other), "no such activation");
  other = plain;
  other.type = other.result = DType::kBF16;
  EXPECT_EQ(refusal(other), "");
  other.bias = true;
  EXPECT_EQ(refusal(other), "the bias is f32 and the result is not");
}

}  // namespace
}  // namespace boxcar::kernels
