#include "boxcar/kernels/elementwise/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>

#include "boxcar/kernels/reduce/reduce.h"
#include "boxcar/kernels/reduce/softmax.h"
#include "boxcar/runtime/base/error.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

// In double, step 1e-6: truncation about 1e-12 and rounding 1e-10 of the values, which are below 100.
constexpr double kStep = 1e-6, kTolerance = 1e-7;

TEST(Elementwise, SlopesOfOneArgumentMatchFiniteDifferences) {
  using enum UnaryOp;
  for (const UnaryOp op : {kExp, kLog, kSqrt, kSquare, kAbs, kClamp, kSigmoid, kSilu, kRelu, kSoftplus}) {
    const UnaryFunction f{op, -1.0f, 1.5f};
    for (const double x : {-4.3, -0.7, -0.1, 0.2, 0.9, 3.1}) {
      if (x < 0 && (op == kLog || op == kSqrt)) continue;
      const double slope = (unary_value(f, x + kStep) - unary_value(f, x - kStep)) / (2 * kStep);
      EXPECT_NEAR(unary_slope(f, x), slope, kTolerance) << int(op) << " at " << x;
    }
  }
}

TEST(Elementwise, SlopesOfTwoArgumentsMatchFiniteDifferences) {
  using enum BinaryOp;
  for (const BinaryOp op : {kAdd, kSubtract, kMultiply, kDivide, kPow, kMin, kMax, kLess, kGreater}) {
    for (const double a : {0.3, 1.1, 2.7}) {
      for (const double b : {-1.3, 0.6, 1.9}) {
        const auto slopes = binary_slopes(op, a, b);
        EXPECT_NEAR(slopes.a, (binary_value(op, a + kStep, b) - binary_value(op, a - kStep, b)) / (2 * kStep),
                    kTolerance);
        EXPECT_NEAR(slopes.b, (binary_value(op, a, b + kStep) - binary_value(op, a, b - kStep)) / (2 * kStep),
                    kTolerance);
      }
    }
  }
}

TEST(Elementwise, NanStaysNan) {
  const double nan = std::nan("");
  for (const BinaryOp op : {BinaryOp::kMin, BinaryOp::kMax}) {
    EXPECT_TRUE(std::isnan(binary_value(op, nan, 1.0)));
    EXPECT_TRUE(std::isnan(binary_value(op, 1.0, nan)));
  }
  EXPECT_TRUE(std::isnan(unary_value({UnaryOp::kRelu}, nan)));
  EXPECT_TRUE(std::isnan(unary_value({UnaryOp::kClamp, -1, 1}, nan)));
}

TEST(Elementwise, SlicesOfWiderTensorsAndBroadcasting) {
  Stream stream;
  const Tensor a = test::slice_of(stream, {1, 1, 2, 3}, {1, 2, 3, 4, 5, 6}, DType::kF32, 2, 7);
  const Tensor b = test::slice_of(stream, {1, 1, 2, 1}, {10, 100}, DType::kF32, 1, 4);
  const Tensor y = test::unwritten(stream, {1, 1, 2, 3});
  binary(stream, {BinaryOp::kMultiply, a, b, y});
  EXPECT_EQ(y.to_host(stream), (std::vector<float>{10, 20, 30, 400, 500, 600}));
  const Tensor total = test::unwritten(stream, {1, 1, 2, 1});
  reduce(stream, {Reduction::kSum, a, total, 0.5});
  EXPECT_EQ(total.to_host(stream), (std::vector<float>{3, 7.5f}));
  EXPECT_THROW(binary(stream, {BinaryOp::kAdd, a, Tensor::zeros(stream, {1, 1, 3, 1}), y}), ShapeError);
  EXPECT_THROW(reduce(stream, {Reduction::kSum, a, Tensor::zeros(stream, {1, 1, 2, 2})}), ShapeError);
}

TEST(Reduce, LongSumsAndMaximaAcrossBlocks) {
  Stream stream;
  std::vector<float> values(10001, 0.1f);
  values[9000] = 2;
  const Tensor x = Tensor::from(stream, {1, 1, 10001, 1}, values), y = test::unwritten(stream, {});
  reduce(stream, {Reduction::kSum, x, y});
  EXPECT_EQ(y.to_host(stream)[0], static_cast<float>(10000 * double{0.1f} + 2));
  reduce(stream, {Reduction::kMax, x, y});
  EXPECT_EQ(y.to_host(stream)[0], 2);
  x.as<float>()[5] = std::nanf("");
  reduce(stream, {Reduction::kMax, x, y});
  EXPECT_TRUE(std::isnan(y.to_host(stream)[0]));
}

TEST(Softmax, LargeValues) {
  Stream stream;
  const Tensor x = Tensor::from(stream, {1, 1, 1, 2}, {1e4f, 1e4f}), y = test::unwritten(stream, {1, 1, 1, 2});
  softmax(stream, {SoftmaxKind::kSoftmax, x, y});
  EXPECT_EQ(y.to_host(stream), (std::vector<float>{0.5f, 0.5f}));
  softmax(stream, {SoftmaxKind::kLogSoftmax, x, y});
  EXPECT_NEAR(y.to_host(stream)[0], -std::log(2.0), 1e-6);
}

}  // namespace
}  // namespace boxcar::kernels
