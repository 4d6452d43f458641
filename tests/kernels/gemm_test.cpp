#include "boxcar/kernels/common/gemm.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

struct Case {
  int m, n, k;
};

// Products of whole numbers are exact in any order: every element equals the three plain loops'.
void check(Stream& stream, const Case& size, bool transpose_a, bool transpose_b) {
  const auto [m, n, k] = size;
  constexpr int kGap = 3;  // elements between the rows
  const int lda = (transpose_a ? m : k) + kGap, ldb = (transpose_b ? k : n) + kGap, ldc = n + kGap;
  const std::vector<float> a = test::whole_values(lda * (transpose_a ? k : m), 4, 1);
  const std::vector<float> b = test::whole_values(ldb * (transpose_b ? n : k), 4, 2);
  const std::vector<float> before = test::whole_values(ldc * m, 9, 3);
  for (const float beta : {0.0f, 1.0f}) {
    std::vector<float> c = before, want = before;
    for (int i = 0; i < m; ++i) {
      for (int j = 0; j < n; ++j) {
        float sum = 0;
        for (int l = 0; l < k; ++l) {
          sum += a[std::size_t(transpose_a ? l * lda + i : i * lda + l)] *
                 b[std::size_t(transpose_b ? j * ldb + l : l * ldb + j)];
        }
        float& element = want[std::size_t(i * ldc + j)];
        element = 0.5f * sum + beta * element;
      }
    }
    gemm(stream, {transpose_a, transpose_b, m, n, k, 0.5f, a.data(), lda, b.data(), ldb, beta, c.data(), ldc});
    EXPECT_EQ(c, want) << m << 'x' << n << 'x' << k << (transpose_a ? " A'" : " A") << (transpose_b ? " B'" : " B");
  }
}

TEST(Gemm, EqualsPlainLoopsAndLeavesGapsAlone) {
  for (const int threads : {1, 3}) {
    Stream stream(Device::cpu(), {.threads = threads});
    for (const Case& size : {Case{1, 1, 1}, {1, 5, 7}, {7, 1, 3}, {4, 8, 1}, {17, 33, 9}, {64, 48, 80}}) {
      for (const int transposed : {0, 1, 2, 3}) check(stream, size, transposed & 1, transposed & 2);
    }
  }
}

}  // namespace
}  // namespace boxcar::kernels
