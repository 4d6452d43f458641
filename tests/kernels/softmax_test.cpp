#include "boxcar/kernels/attention/softmax.h"

#include "support/simd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

void compare(int width, float scale) {
  SCOPED_TRACE(testing::Message() << width << " x " << scale);
  std::vector<float> scores = test::random_values(width, 1), grad = test::random_values(width, 2);
  for (float& score : scores) score *= scale;
  std::vector<float> row = scores, got_grad = grad;
  cpu::softmax_row(row.data(), width);
  cpu::softmax_row_backward(row.data(), got_grad.data(), width);
  const float top = *std::max_element(scores.begin(), scores.end());
  double sum = 0, dot = 0;
  for (const float score : scores) sum += std::exp(double{score - top});
  for (int i = 0; i < width; ++i) dot += std::exp(double{scores[i] - top}) / sum * grad[i];
  for (int i = 0; i < width; ++i) {
    const double want = std::exp(double{scores[i] - top}) / sum;
    EXPECT_TRUE(std::abs(row[i] - want) <= 2e-6 * want + 1e-37) << i << ' ' << row[i] << ' ' << want;
    EXPECT_TRUE(std::abs(got_grad[i] - want * (grad[i] - dot)) <= 1e-5 * want + 1e-36) << i;
  }
}

TEST(Softmax, EqualsTheFormulaInDouble) {
  test::on_every_target([] {
    for (int width = 1; width < 70; ++width) compare(width, 1.0f);
    for (const float scale : {0.01f, 10.0f, 100.0f}) compare(401, scale);
  });
}

TEST(Softmax, ANaNMakesTheRowNaN) {
  test::on_every_target([] {
    for (const int at : {0, 17, 36}) {
      std::vector<float> row(37, 1.0f);
      row[at] = std::nanf("");
      cpu::softmax_row(row.data(), 37);
      for (const float value : row) EXPECT_TRUE(std::isnan(value));
    }
  });
}

}  // namespace
}  // namespace boxcar::kernels
