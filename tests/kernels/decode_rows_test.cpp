#include "boxcar/kernels/loss/decode_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/kernels/loss/distance_math.h"
#include "support/simd.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

// Up to 64 exponentials of 2 units in the last place each, and the sums' own rounding.
void expect_bins(const std::vector<float>& raw) {
  const int bins = static_cast<int>(raw.size()) / 4;
  const std::vector<double> exact(raw.begin(), raw.end());
  test::on_every_target([&] {
    float distances[4];
    cpu::expected_bins(raw.data(), bins, distances);
    for (int side = 0; side < 4; ++side) {
      EXPECT_NEAR(distances[side], side_distance(exact.data() + side * bins, bins), 2e-6 * bins) << side;
    }
  });
}

TEST(DecodeRows, ExpectedBinsOfRandomValues) {
  for (const int bins : {2, 5, 16, 17, 64}) {
    SCOPED_TRACE(bins);
    expect_bins(test::random_values(4 * bins, static_cast<unsigned>(bins)));
  }
}

TEST(DecodeRows, ExpectedBinsOfEqualAndOfFarValues) {
  expect_bins(std::vector<float>(64, 3.0f));
  std::vector<float> far(64, -1000.0f);
  for (const std::size_t i : {0, 31, 40, 41}) far[i] = 1000.0f;  // each side's own; the last one has none
  expect_bins(far);
}

TEST(DecodeRows, NanStaysInItsSide) {
  std::vector<float> raw = test::random_values(4 * 17, 4);
  raw[17] = raw[3 * 17 + 16] = std::numeric_limits<float>::quiet_NaN();
  test::on_every_target([&] {
    float distances[4];
    cpu::expected_bins(raw.data(), 17, distances);
    for (int side = 0; side < 4; ++side) EXPECT_EQ(std::isnan(distances[side]), side % 2 == 1) << side;
  });
}

TEST(DecodeRows, SigmoidsOfAnyNumberOfValues) {
  for (const std::int64_t count : {1, 3, 16, 23, 80}) {
    std::vector<float> z = test::random_values(count, 3);
    z.front() = 200.0f;
    z.back() = -200.0f;
    test::on_every_target([&] {
      std::vector<float> to(z.size() + 1, 7.0f);
      cpu::sigmoids(z.data(), count, to.data());
      for (std::size_t i = 0; i < z.size(); ++i) EXPECT_NEAR(to[i], sigmoid(double{z[i]}), 3e-7) << i;
      EXPECT_EQ(to.back(), 7.0f);
    });
  }
}

TEST(DecodeRows, ALogitThatIsNoNumberHasNoProbability) {
  const std::vector<float> z(19, std::numeric_limits<float>::quiet_NaN());
  test::on_every_target([&] {
    std::vector<float> to(z.size(), 7.0f);
    cpu::sigmoids(z.data(), 19, to.data());
    EXPECT_EQ(to, std::vector<float>(19, 0.0f));
  });
}

}  // namespace
}  // namespace boxcar::kernels
