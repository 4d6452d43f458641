#include "boxcar/kernels/loss/class_term.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "boxcar/kernels/activation/activation_math.h"

namespace boxcar::kernels {
namespace {

TensorView view(std::vector<float>& v, int pixels, int classes) {
  return {v.data(), DType::kF32, 1, 1, pixels, classes, classes};
}

/// The vector code against the scalar formulas in double.
void compare(int pixels, int classes, bool weighted) {
  SCOPED_TRACE(testing::Message() << pixels << " x " << classes << (weighted ? " weighted" : ""));
  std::vector<float> z(static_cast<std::size_t>(pixels) * classes), grad(z.size(), -7.0f), weights;
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = 40.0f * std::sin(0.37f * float(i)) * std::cos(0.011f * float(i));
  for (int k = 0; weighted && k < classes; ++k) weights.push_back(0.5f + 0.1f * float(k % 9));
  Stream stream(Device::cpu(), {.threads = 2});
  const float* w = weighted ? weights.data() : nullptr;
  const double sum = background_class_term(stream, view(z, pixels, classes), w, 0.75f, view(grad, pixels, classes));
  double want = 0.0;
  for (std::size_t i = 0; i < z.size(); ++i) {
    const double weight = weighted ? weights[i % classes] : 1.0;
    want += weight * softplus(double{z[i]});
    const double g = 0.75 * weight * sigmoid(double{z[i]});
    EXPECT_TRUE(std::abs(grad[i] - g) <= 1e-6 * g + 1e-30) << i << ": " << z[i] << ' ' << grad[i] << ' ' << g;
  }
  EXPECT_TRUE(std::abs(sum - want) <= 5e-7 * want) << sum << ' ' << want;
}

TEST(ClassTerm, EqualsTheScalarFormulas) {
  for (int pixels = 1; pixels < 40; ++pixels) compare(pixels, 1, false);
  for (const int classes : {1, 2, 3, 7, 80, 91}) {
    for (const bool weighted : {false, true}) compare(301, classes, weighted);
  }
  compare(3, 9001, true);  // a pixel larger than a block
}

TEST(ClassTerm, EmptyMapAndValueAlone) {
  std::vector<float> z{0.0f, 0.0f};
  Stream stream;
  EXPECT_NEAR(background_class_term(stream, view(z, 1, 2), nullptr, 1.0f, {}), 2 * std::log(2.0), 1e-6);
  EXPECT_EQ(background_class_term(stream, view(z, 0, 2), nullptr, 1.0f, {}), 0.0);
}

TEST(ClassTerm, WhatIsNotFinite) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const int count : {1, 40}) {  // in a tail, and in full vectors
    for (const float bad : {std::nanf(""), inf, -inf}) {
      std::vector<float> z(count, -50.0f), grad(count, 7.0f);
      z[count / 2] = bad;
      Stream stream;
      const double sum = background_class_term(stream, view(z, count, 1), nullptr, 1.0f, view(grad, count, 1));
      EXPECT_EQ(std::isnan(sum), std::isnan(bad));
      EXPECT_EQ(std::isinf(sum), bad == inf);
      EXPECT_EQ(std::isnan(grad[count / 2]), std::isnan(bad));
      if (!std::isnan(bad)) {
        EXPECT_EQ(grad[count / 2], bad > 0 ? 1.0f : 0.0f);
      }
    }
  }
}

}  // namespace
}  // namespace boxcar::kernels
