#include "boxcar/kernels/pool/max_pool.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/base/error.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::inner;
using test::slice_of;
using test::tensor_of;
using test::unwritten;
using test::whole_values;

TEST(MaxPool, HandWorkedWithATie) {
  Stream stream;
  const PoolOptions options{.kernel = 3, .stride = 2, .padding = 1};
  const Tensor x = Tensor::from(stream, {1, 3, 3, 1}, {-5, -6, 1, -7, 2, 2, 0, 2, -1});
  const Tensor y = unwritten(stream, {1, 2, 2, 1}), dx = unwritten(stream, {1, 3, 3, 1});
  std::vector<std::uint8_t> winners(4, 255);
  max_pool_forward(stream, {x, y, winners.data(), options});
  EXPECT_EQ(y.to_host(stream), (std::vector<float>{2, 2, 2, 2}));
  EXPECT_EQ(winners, (std::vector<std::uint8_t>{8, 6, 2, 0}));  // the middle, each time the first of the equal ones
  max_pool_backward(stream, {Tensor::from(stream, {1, 2, 2, 1}, {1, 10, 100, 1000}), winners.data(), dx, options});
  EXPECT_EQ(dx.to_host(stream), (std::vector<float>{0, 0, 0, 0, 1111, 0, 0, 0, 0}));
}

struct Case {
  const char* name;
  Shape x;
  PoolOptions options;
  DType dtype;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const std::vector<Case> kCases = {{"one_element", {1, 1, 1, 1}, {1, 1, 0}, DType::kF32},
                                  {"sppf", {2, 7, 5, 16}, {5, 1, 2}, DType::kF32},
                                  {"sppf_one_pixel", {1, 1, 1, 7}, {5, 1, 2}, DType::kF32},
                                  {"sppf_bf16", {1, 6, 7, 24}, {5, 1, 2}, DType::kBF16},
                                  {"halves", {1, 6, 9, 5}, {2, 2, 0}, DType::kF32},
                                  {"gaps_between_windows", {1, 8, 7, 3}, {2, 3, 1}, DType::kF32},
                                  {"odd_overlap", {1, 7, 8, 9}, {3, 2, 1}, DType::kBF16},
                                  {"largest_window", {1, 17, 16, 4}, {16, 8, 8}, DType::kF32}};

class MaxPoolAdjoint : public testing::TestWithParam<Case> {};

// For given winners y is a selection from x, and linear. At most 16 * 16 windows share a winner, so the sums are whole
// numbers below 2^24, and below 2^8 for the 25 windows of the bf16 cases: exact.
TEST_P(MaxPoolAdjoint, OverwritesAndAdds) {
  const Case& c = GetParam();
  const int most = c.dtype == DType::kF32 ? 50 : 5, width = c.x.c + 6;
  const Shape y_shape{c.x.n, pool_output_size(c.x.h, c.options), pool_output_size(c.x.w, c.options), c.x.c};
  const std::vector<float> values = whole_values(c.x.count(), most, 1), grad = whole_values(y_shape.count(), most, 2);
  const std::vector<float> old = whole_values(c.x.count(), most, 3);
  for (const int threads : {1, 3}) {
    Stream stream(Device::cpu(), {.threads = threads});
    const Tensor x = slice_of(stream, c.x, values, c.dtype, 1, width);
    const Tensor dy = slice_of(stream, y_shape, grad, c.dtype, 2, width);
    const Tensor y = unwritten(stream, {y_shape.n, y_shape.h, y_shape.w, width}, c.dtype).channels(4, c.x.c);
    const Tensor dx = unwritten(stream, {c.x.n, c.x.h, c.x.w, width}, c.dtype).channels(3, c.x.c);
    const Tensor sum = tensor_of(stream, c.x, old, c.dtype);
    std::vector<std::uint8_t> winners(static_cast<std::size_t>(y_shape.count()), 255);
    max_pool_forward(stream, {x, y, winners.data(), c.options});
    max_pool_backward(stream, {dy, winners.data(), dx, c.options});
    max_pool_backward(stream, {dy, winners.data(), sum, c.options, GradMode::kAdd});
    const std::vector<float> written = dx.to_host(stream);
    EXPECT_EQ(inner(written, values), inner(grad, y.to_host(stream)));
    std::vector<float> added = old;
    for (std::size_t i = 0; i < old.size(); ++i) added[i] += written[i];
    EXPECT_EQ(sum.to_host(stream), added);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, MaxPoolAdjoint, testing::ValuesIn(kCases),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(MaxPool, RefusesWhatDoesNotFit) {
  Stream stream;
  const Tensor x = unwritten(stream, {1, 4, 4, 2}), y = unwritten(stream, {1, 2, 2, 2});
  EXPECT_THROW(max_pool_forward(stream, {x, y, nullptr, {17, 1, 8}}), ShapeError);
  EXPECT_THROW(max_pool_forward(stream, {x, y, nullptr, {2, 2, 2}}), ShapeError);
  EXPECT_THROW(max_pool_forward(stream, {x, y, nullptr, {2, 1, 0}}), ShapeError);
  EXPECT_THROW(max_pool_forward(stream, {x, y, nullptr, {5, 1, 0}}), ShapeError);
  EXPECT_THROW(max_pool_forward(stream, {x, unwritten(stream, {1, 2, 2, 2}, DType::kBF16), nullptr, {}}), ShapeError);
  EXPECT_THROW(max_pool_backward(stream, {x, nullptr, y, {}}), ShapeError);
}

}  // namespace
}  // namespace boxcar::kernels
