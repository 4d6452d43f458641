#include "boxcar/runtime/random/philox.h"

#include <gtest/gtest.h>

#include <cmath>

namespace boxcar {
namespace {

// Known answers published with the Random123 library (kat_vectors, philox4x32 10).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Random, SameKeySameSequence) {
  Random a(1, 2, 3), b(1, 2, 3), c(1, 2, 4);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const auto x = a.next_u32();
    EXPECT_EQ(x, b.next_u32());
    differs |= x != c.next_u32();
  }
  EXPECT_TRUE(differs);
}

TEST(Random, MomentsOfTheDistributions) {
  Random random(7);
  constexpr int kDraws = 100000;
  double uniform = 0, normal = 0, normal2 = 0, below = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.uniform();
    EXPECT_GE(u, 0.0);
    EXPECT_LT(u, 1.0);
    uniform += u;
    const double z = random.normal();
    normal += z;
    normal2 += z * z;
    const auto k = random.below(7);
    EXPECT_LT(k, 7u);
    below += k;
  }
  // Five standard errors of each mean.
  const double root = std::sqrt(double{kDraws});
  EXPECT_NEAR(uniform / kDraws, 0.5, 5 * 0.2887 / root);
  EXPECT_NEAR(normal / kDraws, 0.0, 5 / root);
  EXPECT_NEAR(normal2 / kDraws, 1.0, 5 * std::sqrt(2.0) / root);
  EXPECT_NEAR(below / kDraws, 3.0, 5 * 2.0 / root);
}

}  // namespace
}  // namespace boxcar
