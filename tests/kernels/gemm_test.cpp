#include "boxcar/kernels/common/gemm.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

struct Case {
  int m, n, k;
};

class GemmTest : public test::BackendTest {
 protected:
  static Tensor matrix(Stream& stream, const std::vector<float>& values) {
    return test::tensor_of(stream, {1, 1, 1, static_cast<int>(values.size())}, values);
  }

  // Products of whole numbers are exact in any order: every element equals the three plain loops'. `gap`: elements
  // between the rows.
  void check(const Case& size, bool transpose_a, bool transpose_b, int gap) {
    const auto [m, n, k] = size;
    const int lda = (transpose_a ? m : k) + gap, ldb = (transpose_b ? k : n) + gap, ldc = n + gap;
    const std::vector<float> a = test::whole_values(lda * (transpose_a ? k : m), 4, 1);
    const std::vector<float> b = test::whole_values(ldb * (transpose_b ? n : k), 4, 2);
    const std::vector<float> before = test::whole_values(ldc * m, 9, 3);
    for (const float beta : {0.0f, 1.0f}) {
      std::vector<float> want = before;
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
      const std::vector<float> got = test::run_on(device(), [&](Stream& stream) {
        const Tensor ta = matrix(stream, a), tb = matrix(stream, b), c = matrix(stream, before);
        gemm(stream, {transpose_a, transpose_b, m, n, k, 0.5f, ta.as(), lda, tb.as(), ldb, beta, c.as(), ldc});
        return c.to_host(stream);
      });
      EXPECT_EQ(got, want) << m << 'x' << n << 'x' << k << (transpose_a ? " A'" : " A") << (transpose_b ? " B'" : " B");
    }
  }
};

TEST_P(GemmTest, EqualsPlainLoopsAndLeavesGapsAlone) {
  for (const Case& size : {Case{1, 1, 1}, {1, 5, 7}, {7, 1, 3}, {4, 8, 1}, {17, 33, 9}, {64, 48, 80}, {70, 66, 18}}) {
    for (const int transposed : {0, 1, 2, 3}) check(size, transposed & 1, transposed & 2, 3);
  }
}

TEST_P(GemmTest, RowsThatAreReadTwoAndFourAtOnce) {
  for (const Case& size : {Case{6, 10, 14}, {68, 36, 20}}) {
    for (const int transposed : {0, 1, 2, 3}) check(size, transposed & 1, transposed & 2, 4);
  }
}

TEST_P(GemmTest, NoProductsAndNoResults) {
  const Tensor a = matrix(stream(), {1, 2, 3, 4}), c = test::unwritten(stream(), {1, 1, 1, 4});
  gemm(stream(), {.m = 2, .n = 2, .k = 0, .a = a.as(), .lda = 1, .b = a.as(), .ldb = 2, .c = c.as(), .ldc = 2});
  EXPECT_EQ(c.to_host(stream()), (std::vector<float>{0, 0, 0, 0}));
  gemm(stream(), {.m = 0, .n = 2, .k = 2, .a = a.as(), .lda = 2, .b = a.as(), .ldb = 2, .c = c.as(), .ldc = 2});
  EXPECT_EQ(c.to_host(stream()), (std::vector<float>{0, 0, 0, 0}));
}

INSTANTIATE_ON_BACKENDS(GemmTest);

}  // namespace
}  // namespace boxcar::kernels
