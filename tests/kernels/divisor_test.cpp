#include "boxcar/kernels/common/divisor.h"

#include <gtest/gtest.h>

#include <limits>

namespace boxcar::kernels {
namespace {

TEST(Divisor, EqualsDivisionAroundEveryMultiple) {
  constexpr int kMost = std::numeric_limits<int>::max();
  for (const int d : {1, 2, 3, 5, 7, 9, 10, 80, 255, 256, 257, 6561, 65535, 65536, 1 << 30, (1 << 30) + 1, kMost}) {
    const Divisor divisor(d);
    const int step = kMost / d > 1000 ? kMost / d / 1000 : 1;
    for (int q = 0; q <= kMost / d; q += step) {
      for (const int n : {q * d, q * d + (d - 1 < kMost - q * d ? d - 1 : kMost - q * d)}) {
        int rest = n;
        ASSERT_EQ(divisor.split(rest), n / d) << n << " / " << d;
        ASSERT_EQ(rest, n % d);
      }
      if (q > kMost / d - step) break;
    }
  }
}

}  // namespace
}  // namespace boxcar::kernels
