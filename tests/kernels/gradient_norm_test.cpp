// The norm of all gradients, which clipping and the skipped step of a run with infinities go by.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "boxcar/kernels/optim/optim.h"
#include "boxcar/runtime/base/error.h"
#include "kernels/optim_support.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::flat;
using test::noise;
using test::OnDevice;
using test::run_on;

StepCoefficients clipping(double max_norm, double loss_scale) {
  StepCoefficients c;
  c.max_norm = max_norm;
  c.loss_scale = loss_scale;
  return c;
}

class GradientNormTest : public test::BackendTest {
 protected:
  GradientNorm norm_of(const std::vector<float>& g, double max_norm, double scale = 1.0) {
    return norm_of(g, std::vector<FlatRange>{{0, static_cast<std::int64_t>(g.size())}}, max_norm, scale);
  }
  GradientNorm norm_of(const std::vector<float>& g, const std::vector<FlatRange>& ranges, double max_norm,
                       double scale) {
    GradientNorm result;
    run_on(device(), [&](Stream& s) {
      const OnDevice<StepCoefficients> coefficients(s);
      const OnDevice<GradientNorm> found(s);
      const Tensor grads = flat(s, g);
      set_coefficients(s, {clipping(max_norm, scale), coefficients.get()});
      gradient_norm(s, {FlatBlocks(s, ranges), grads.as(), coefficients.get(), found.get()});
      result = found.read(s);
      std::vector<float> bits(sizeof(result) / sizeof(float));
      std::memcpy(bits.data(), &result, sizeof(result));
      return bits;
    });
    return result;
  }
};

TEST_P(GradientNormTest, HandWorked) {
  const GradientNorm n = norm_of({3, 0, 4, 0}, 10);
  EXPECT_EQ(n.norm, 5.0);
  EXPECT_EQ(n.factor, 1.0f);
  EXPECT_EQ(n.finite, 1);
  EXPECT_FLOAT_EQ(norm_of({30, 40}, 10).factor, 0.2f);
  EXPECT_EQ(norm_of({30, 40}, 0).factor, 1.0f);
  // The gradients hold twice their value: norm 25, unscaled by 1/2 and clipped by 10/25.
  EXPECT_FLOAT_EQ(norm_of({30, 40}, 10, 2).factor, 0.2f);
  EXPECT_EQ(norm_of({30, 40}, 10, 2).norm, 25.0);
  EXPECT_EQ(norm_of({}, 10).norm, 0.0);
}

TEST_P(GradientNormTest, RangesLeaveTheRestOut) {
  EXPECT_EQ(norm_of({1, 100, 2, 2}, {{2, 2}, {0, 1}}, 0, 1).norm, 3.0);
}

TEST_P(GradientNormTest, WhatIsNotFiniteIsSaidAndPassedOn) {
  const float inf = std::numeric_limits<float>::infinity();
  const GradientNorm infinite = norm_of({1, inf}, 10), nan = norm_of({1, std::nanf("")}, 10);
  EXPECT_EQ(infinite.finite, 0);
  EXPECT_EQ(infinite.factor, 0.0f);  // 1 * 0 = 0, inf * 0 = NaN
  EXPECT_EQ(nan.finite, 0);
  EXPECT_TRUE(std::isnan(nan.factor));
  const GradientNorm large = norm_of({3e38f, 3e38f}, 10);
  EXPECT_EQ(large.finite, 1);
  EXPECT_GT(large.factor, 0.0f);
}

// Squares of floats are exact in double; a sum of n of them is off by n roundings of 2^-53 at the very most.
TEST_P(GradientNormTest, SumsInDoubleOverManyBlocksOfAllAlignments) {
  for (const std::int64_t count : {1, 3, 4097, 40'003}) {
    const auto g = noise(static_cast<std::size_t>(count), 5);
    const std::vector<FlatRange> ranges{{0, count / 3}, {count / 3, count - count / 3}};
    double plain = 0;
    for (const float v : g) plain += double{v} * v;
    EXPECT_NEAR(norm_of(g, ranges, 10, 1).norm, std::sqrt(plain), 0x1p-53 * double(count + 2) * std::sqrt(plain));
  }
}

TEST_P(GradientNormTest, RefusesWhatIsMissing) {
  const OnDevice<GradientNorm> found(stream());
  EXPECT_THROW(gradient_norm(stream(), {FlatBlocks(), nullptr, nullptr, found.get()}), ArgumentError);
}

INSTANTIATE_ON_BACKENDS(GradientNormTest);

}  // namespace
}  // namespace boxcar::kernels
