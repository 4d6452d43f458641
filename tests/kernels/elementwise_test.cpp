#include "boxcar/kernels/elementwise/elementwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
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

class ElementwiseTest : public test::BackendTest {
 protected:
  // The formulas are made of at most three functions that CUDA rounds by up to 4 ulp each (pow and its factors), the
  // CPU by less: 24 half ulps.
  static void expect_near(const std::vector<float>& got, const std::vector<double>& want) {
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_TRUE(std::abs(got[i] - want[i]) <= 24 * 0x1p-24 * std::max(1.0, std::abs(want[i])))
          << got[i] << " for " << want[i] << " at " << i;
    }
  }
};

std::vector<float> positive_values(std::int64_t count, unsigned seed) {
  std::vector<float> values = test::random_values(count, seed);
  for (float& v : values) v = 0.05f + std::abs(v);
  return values;
}

TEST_P(ElementwiseTest, FunctionsOfOneArgument) {
  using enum UnaryOp;
  const Shape shape{1, 3, 5, 7};
  const auto x = positive_values(shape.count(), 1);
  auto dy = test::random_values(shape.count(), 2);
  dy[3] = 0;
  for (const UnaryOp op : {kExp, kLog, kSqrt, kSquare, kAbs, kClamp, kSigmoid, kSilu, kRelu, kSoftplus}) {
    const UnaryFunction f{op, 0.5f, 1.5f};
    std::vector<double> want;
    for (const float v : x) want.push_back(unary_value(f, double{v}));
    for (std::size_t i = 0; i < x.size(); ++i) want.push_back(dy[i] * unary_slope(f, double{x[i]}));
    const auto got = test::run_on(device(), [&](Stream& s) {
      const Tensor in = test::slice_of(s, shape, x, DType::kF32, 1, 9), y = test::unwritten(s, shape);
      const Tensor dx = test::slice_of(s, shape, dy, DType::kF32, 0, 8);
      unary(s, {f, in, y});
      unary_backward(s, {f, in, dx, dx});  // in place
      std::vector<float> all = y.to_host(s);
      test::append(all, dx.to_host(s));
      return all;
    });
    expect_near(got, want);
  }
}

// b is repeated along h and c.
TEST_P(ElementwiseTest, FunctionsOfTwoArguments) {
  using enum BinaryOp;
  const Shape shape{2, 3, 4, 5}, small{2, 1, 4, 1};
  const auto a = positive_values(shape.count(), 1), b = positive_values(small.count(), 2);
  const auto dy = test::random_values(shape.count(), 3);
  const auto b_at = [&](std::size_t i) { return double{b[i / 60 * 4 + i / 5 % 4]}; };
  for (const BinaryOp op : {kAdd, kSubtract, kMultiply, kDivide, kPow, kMin, kMax, kLess, kGreater}) {
    std::vector<double> want(3 * a.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      const auto slopes = binary_slopes(op, double{a[i]}, b_at(i));
      want[i] = binary_value(op, double{a[i]}, b_at(i));
      want[a.size() + i] = dy[i] * slopes.a;
      want[2 * a.size() + i] = dy[i] * slopes.b;
    }
    const auto got = test::run_on(device(), [&](Stream& s) {
      const Tensor in_a = test::tensor_of(s, shape, a), in_b = test::slice_of(s, small, b, DType::kF32, 1, 3);
      const Tensor y = test::unwritten(s, shape), da = test::unwritten(s, shape), db = test::unwritten(s, shape);
      const Tensor g = test::slice_of(s, shape, dy, DType::kF32, 1, 6);
      binary(s, {op, in_a, in_b, y});
      binary_backward(s, {op, in_a, in_b, g, da, {}});
      binary_backward(s, {op, in_a, in_b, g, {}, db});
      std::vector<float> all = y.to_host(s);
      test::append(all, da.to_host(s));
      test::append(all, db.to_host(s));
      return all;
    });
    expect_near(got, want);
  }
}

TEST_P(ElementwiseTest, SlicesOfWiderTensorsAndBroadcasting) {
  const Tensor a = test::slice_of(stream(), {1, 1, 2, 3}, {1, 2, 3, 4, 5, 6}, DType::kF32, 2, 7);
  const Tensor b = test::slice_of(stream(), {1, 1, 2, 1}, {10, 100}, DType::kF32, 1, 4);
  const Tensor y = test::unwritten(stream(), {1, 1, 2, 3});
  binary(stream(), {BinaryOp::kMultiply, a, b, y});
  EXPECT_EQ(y.to_host(stream()), (std::vector<float>{10, 20, 30, 400, 500, 600}));
  const Tensor none = test::unwritten(stream(), {0, 1, 2, 3});
  binary(stream(), {BinaryOp::kMultiply, none, b, none});
  EXPECT_THROW(binary(stream(), {BinaryOp::kAdd, a, Tensor::zeros(stream(), {1, 1, 3, 1}), y}), ShapeError);
}

TEST_P(ElementwiseTest, WhereTakesNanForTrue) {
  const Tensor condition = test::tensor_of(stream(), {1, 1, 1, 3}, {0, std::nanf(""), 2});
  const Tensor a = test::tensor_of(stream(), {1, 1, 2, 3}, {1, 2, 3, 4, 5, 6}), b = test::tensor_of(stream(), {}, {9});
  const Tensor y = test::unwritten(stream(), {1, 1, 2, 3});
  where(stream(), {condition, a, b, y});
  EXPECT_EQ(y.to_host(stream()), (std::vector<float>{9, 2, 3, 9, 5, 6}));
}

INSTANTIATE_ON_BACKENDS(ElementwiseTest);

}  // namespace
}  // namespace boxcar::kernels
