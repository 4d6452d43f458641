#include "boxcar/kernels/pool/max_pool.h"

#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::inner;
using test::slice_of;
using test::tensor_of;
using test::unwritten;
using test::whole_values;

class MaxPool : public test::BackendTest {};

TEST_P(MaxPool, HandWorkedWithATie) {
  const PoolOptions options{.kernel = 3, .stride = 2, .padding = 1};
  const Tensor x = tensor_of(stream(), {1, 3, 3, 1}, {-5, -6, 1, -7, 2, 2, 0, 2, -1});
  const Tensor y = unwritten(stream(), {1, 2, 2, 1}), dx = unwritten(stream(), {1, 3, 3, 1});
  const Tensor winners = unwritten(stream(), {1, 2, 2, 1}, DType::kU8);
  max_pool_forward(stream(), {x, y, winners.as<std::uint8_t>(), options});
  EXPECT_EQ(y.to_host(stream()), (std::vector<float>{2, 2, 2, 2}));
  EXPECT_EQ(winners.to_host(stream()),
            (std::vector<float>{8, 6, 2, 0}));  // the middle, each time the first of the equal ones
  const Tensor dy = tensor_of(stream(), {1, 2, 2, 1}, {1, 10, 100, 1000});
  max_pool_backward(stream(), {dy, winners.as<std::uint8_t>(), dx, options});
  EXPECT_EQ(dx.to_host(stream()), (std::vector<float>{0, 0, 0, 0, 1111, 0, 0, 0, 0}));
}

TEST_P(MaxPool, NanWinsAndStays) {
  const float nan = std::nanf("");
  const Tensor x = tensor_of(stream(), {1, 1, 4, 2}, {1, 5, nan, 4, 3, nan, 2, 6});
  const Tensor y = unwritten(stream(), {1, 1, 2, 2}), winners = unwritten(stream(), {1, 1, 2, 2}, DType::kU8);
  // Windows of three pixels of the one row: pixels 0, 1 and 1, 2, 3.
  max_pool_forward(stream(), {x, y, winners.as<std::uint8_t>(), {.kernel = 3, .stride = 2, .padding = 1}});
  const std::vector<float> largest = y.to_host(stream());
  EXPECT_TRUE(std::isnan(largest[0]) && std::isnan(largest[2]) && std::isnan(largest[3]));
  EXPECT_EQ(largest[1], 5);
  EXPECT_EQ(winners.to_host(stream()), (std::vector<float>{5, 4, 3, 4}));
}

struct Case {
  const char* name;
  Shape x;
  PoolOptions options;
  DType dtype;
  int first, more;  // tensors are channels from `first` on of ones with `more` channels
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const std::vector<Case> kCases = {{"one_element", {1, 1, 1, 1}, {1, 1, 0}, DType::kF32, 1, 6},
                                  {"none", {0, 4, 4, 4}, {2, 2, 0}, DType::kF32, 0, 0},
                                  {"sppf", {2, 7, 5, 16}, {5, 1, 2}, DType::kF32, 4, 8},
                                  {"sppf_one_pixel", {1, 1, 1, 7}, {5, 1, 2}, DType::kF32, 1, 6},
                                  {"sppf_bf16", {1, 6, 7, 24}, {5, 1, 2}, DType::kBF16, 8, 16},
                                  {"halves", {1, 6, 9, 5}, {2, 2, 0}, DType::kF32, 2, 6},
                                  {"gaps_between_windows", {1, 8, 7, 3}, {2, 3, 1}, DType::kF32, 3, 6},
                                  {"pairs_bf16", {1, 5, 4, 6}, {3, 1, 1}, DType::kBF16, 2, 4},
                                  {"fours_bf16", {1, 4, 3, 12}, {3, 1, 1}, DType::kBF16, 4, 8},
                                  {"odd_overlap", {1, 7, 8, 9}, {3, 2, 1}, DType::kBF16, 1, 6},
                                  {"largest_window", {1, 17, 16, 4}, {16, 8, 8}, DType::kF32, 2, 6}};

class MaxPoolAdjoint : public testing::TestWithParam<std::tuple<Device, Case>> {};

// For given winners y is a selection from x, and linear. At most 16 * 16 windows share a winner, so the sums are whole
// numbers below 2^24, and below 2^8 for the 25 windows of the bf16 cases: exact.
TEST_P(MaxPoolAdjoint, OverwritesAndAdds) {
  const auto& [device, c] = GetParam();
  const int most = c.dtype == DType::kF32 ? 50 : 5, width = c.x.c + c.more;
  const Shape y_shape{c.x.n, pool_output_size(c.x.h, c.options), pool_output_size(c.x.w, c.options), c.x.c};
  const std::vector<float> values = whole_values(c.x.count(), most, 1), grad = whole_values(y_shape.count(), most, 2);
  const std::vector<float> old = whole_values(c.x.count(), most, 3);
  const std::vector<float> got = test::run_on(device, [&, &c = c](Stream& stream) {
    const auto written_slice = [&](Shape shape) {
      shape.c = width;
      return unwritten(stream, shape, c.dtype).channels(c.first, c.x.c);
    };
    const Tensor x = slice_of(stream, c.x, values, c.dtype, c.first, width);
    const Tensor dy = slice_of(stream, y_shape, grad, c.dtype, c.first, width);
    const Tensor y = written_slice(y_shape), again = written_slice(y_shape), dx = written_slice(c.x);
    const Tensor sum = tensor_of(stream, c.x, old, c.dtype);
    const Tensor winners = unwritten(stream, y_shape, DType::kU8);
    const auto* places = winners.as<std::uint8_t>();
    max_pool_forward(stream, {x, y, winners.as<std::uint8_t>(), c.options});
    max_pool_forward(stream, {x, again, nullptr, c.options});
    max_pool_backward(stream, {dy, places, dx, c.options});
    max_pool_backward(stream, {dy, places, sum, c.options, GradMode::kAdd});
    std::vector<float> all = y.to_host(stream);
    for (const Tensor& t : {again, dx, sum}) test::append(all, t.to_host(stream));
    return all;
  });
  auto rest = got.begin();
  const auto next = [&](const Shape& shape) {
    const auto begin = rest;
    return std::vector<float>(begin, rest += shape.count());
  };
  const std::vector<float> y = next(y_shape), again = next(y_shape), dx = next(c.x), sum = next(c.x);
  EXPECT_EQ(again, y);
  EXPECT_EQ(inner(dx, values), inner(grad, y));
  std::vector<float> added = old;
  for (std::size_t i = 0; i < old.size(); ++i) added[i] += dx[i];
  EXPECT_EQ(sum, added);
}

INSTANTIATE_TEST_SUITE_P(Cases, MaxPoolAdjoint,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::ValuesIn(kCases)),
                         [](const auto& each) {
                           const bool cuda = std::get<0>(each.param).is_cuda();
                           return std::string(cuda ? "cuda_" : "cpu_") + std::get<1>(each.param).name;
                         });

TEST_P(MaxPool, RefusesWhatDoesNotFit) {
  const Tensor x = unwritten(stream(), {1, 4, 4, 2}), y = unwritten(stream(), {1, 2, 2, 2});
  const Tensor narrow = unwritten(stream(), {1, 2, 2, 2}, DType::kBF16);
  EXPECT_THROW(max_pool_forward(stream(), {x, y, nullptr, {17, 1, 8}}), ShapeError);
  EXPECT_THROW(max_pool_forward(stream(), {x, y, nullptr, {2, 2, 2}}), ShapeError);
  EXPECT_THROW(max_pool_forward(stream(), {x, y, nullptr, {2, 1, 0}}), ShapeError);
  EXPECT_THROW(max_pool_forward(stream(), {x, y, nullptr, {5, 1, 0}}), ShapeError);
  EXPECT_THROW(max_pool_forward(stream(), {x, narrow, nullptr, {}}), ShapeError);
  EXPECT_THROW(max_pool_backward(stream(), {x, nullptr, y, {}}), ShapeError);
}

INSTANTIATE_ON_BACKENDS(MaxPool);

}  // namespace
}  // namespace boxcar::kernels
