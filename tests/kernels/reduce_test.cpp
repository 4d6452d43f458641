#include "boxcar/kernels/reduce/reduce.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "boxcar/kernels/reduce/softmax.h"
#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::append;
using test::run_on;
using test::slice_of;
using test::tensor_of;
using test::unwritten;

struct Case {
  Shape x, y;
};
const Case kCases[] = {
    {{1, 1, 1, 1}, {1, 1, 1, 1}},   {{2, 3, 4, 5}, {1, 1, 1, 1}},   {{2, 3, 4, 5}, {2, 3, 4, 5}},
    {{2, 3, 4, 5}, {1, 1, 1, 5}},   {{2, 3, 4, 5}, {2, 3, 4, 1}},   {{2, 3, 4, 5}, {2, 1, 4, 1}},
    {{2, 3, 4, 5}, {1, 3, 1, 5}},   {{1, 7, 3, 40}, {1, 1, 1, 40}}, {{1, 1, 600, 1}, {1, 1, 600, 1}},
    {{3, 1, 1, 300}, {3, 1, 1, 1}}, {{0, 1, 1, 3}, {0, 1, 1, 3}},   {{1, 90, 97, 1}, {1, 1, 1, 1}},
    {{1, 30, 97, 3}, {1, 1, 1, 3}},
};

// Index in y of element i of x.
std::size_t target_of(const Case& c, std::int64_t i) {
  const auto in = [](std::int64_t at, int size) { return size == 1 ? 0 : at; };
  const std::int64_t channel = in(i % c.x.c, c.y.c), w = in(i / c.x.c % c.x.w, c.y.w),
                     h = in(i / c.x.c / c.x.w % c.x.h, c.y.h), n = in(i / c.x.c / c.x.w / c.x.h, c.y.n);
  return static_cast<std::size_t>(((n * c.y.h + h) * c.y.w + w) * c.y.c + channel);
}

class ReduceTest : public test::BackendTest {};

// Whole values: sums are exact, and many values are equal.
TEST_P(ReduceTest, SumsAndMaximaOverAllAxes) {
  for (const Case& c : kCases) {
    const auto values = test::whole_values(c.x.count(), 20, 1);
    const auto dy = test::whole_values(c.y.count(), 9, 2);
    std::vector<float> sum(dy.size(), 0.0f), max(dy.size(), -99.0f), winners(dy.size(), 0.0f), dx;
    for (std::size_t i = 0; i < values.size(); ++i) {
      sum[target_of(c, i)] += values[i] / 2;
      max[target_of(c, i)] = std::max(max[target_of(c, i)], values[i]);
    }
    for (std::size_t i = 0; i < values.size(); ++i) winners[target_of(c, i)] += values[i] == max[target_of(c, i)];
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t at = target_of(c, i);
      dx.push_back(values[i] == max[at] ? dy[at] / winners[at] : 0.0f);
    }
    const auto got = run_on(device(), [&](Stream& s) {
      const Tensor x = slice_of(s, c.x, values, DType::kF32, 1, c.x.c + 2), total = unwritten(s, c.y);
      const Tensor largest = unwritten(s, c.y), gradient = unwritten(s, c.x);
      reduce(s, {Reduction::kSum, x, total, 0.5});
      reduce(s, {Reduction::kMax, x, largest});
      reduce_max_backward(s, {x, largest, tensor_of(s, c.y, dy), gradient});
      std::vector<float> all = total.to_host(s);
      append(all, largest.to_host(s));
      append(all, gradient.to_host(s));
      return all;
    });
    append(sum, max);
    append(sum, dx);
    EXPECT_EQ(got, sum) << c.x.str() << " to " << c.y.str();
  }
}

TEST_P(ReduceTest, LongSumsAndMaximaAcrossBlocks) {
  std::vector<float> values(10001, 0.1f);
  values[9000] = 2;
  const auto reduced = [&](Reduction reduction) {
    return run_on(device(), [&](Stream& s) {
      const Tensor y = unwritten(s, {});
      reduce(s, {reduction, tensor_of(s, {1, 1, 10001, 1}, values), y});
      return y.to_host(s);
    });
  };
  EXPECT_EQ(reduced(Reduction::kSum)[0], static_cast<float>(10000 * double{0.1f} + 2));
  EXPECT_EQ(reduced(Reduction::kMax)[0], 2);
  values[5] = std::nanf("");
  EXPECT_TRUE(std::isnan(reduced(Reduction::kMax)[0]));
}

TEST_P(ReduceTest, OfNothingTheSumIsZero) {
  const Tensor none = Tensor::empty(stream(), {0, 1, 1, 3}), y = unwritten(stream(), {1, 1, 1, 3});
  reduce(stream(), {Reduction::kSum, none, y});
  EXPECT_EQ(y.to_host(stream()), std::vector<float>(3, 0.0f));
  EXPECT_THROW(reduce(stream(), {Reduction::kMax, none, y}), ShapeError);
}

TEST_P(ReduceTest, RefusesWhatDoesNotFit) {
  const Tensor x = Tensor::zeros(stream(), {1, 1, 2, 3}), narrow = unwritten(stream(), {1, 1, 2, 3}, DType::kBF16);
  EXPECT_THROW(reduce(stream(), {Reduction::kSum, x, Tensor::zeros(stream(), {1, 1, 2, 2})}), ShapeError);
  EXPECT_THROW(reduce(stream(), {Reduction::kSum, narrow, x}), ShapeError);
  EXPECT_THROW(reduce_max_backward(stream(), {x, x, x, Tensor::zeros(stream(), {1, 1, 2, 2})}), ShapeError);
}

INSTANTIATE_ON_BACKENDS(ReduceTest);

class ChannelSoftmaxTest : public test::BackendTest {};

// exp and log are good to 2 ulp; the argument's rounding (x - max, up to 6) and that of the sum add to it.
TEST_P(ChannelSoftmaxTest, MatchesTheFormulasInDouble) {
  for (const int channels : {1, 2, 5, 16, 33, 100}) {
    const Shape shape{1, 2, 5, channels};
    const auto x = test::random_values(shape.count(), 1), dy = test::random_values(shape.count(), 2);
    for (const SoftmaxKind kind : {SoftmaxKind::kSoftmax, SoftmaxKind::kLogSoftmax}) {
      const bool plain = kind == SoftmaxKind::kSoftmax;
      std::vector<double> y, dx;
      for (std::int64_t p = 0; p < shape.pixels(); ++p) {
        const std::size_t first = static_cast<std::size_t>(p * channels);
        double sum = 0, dot = 0;
        for (int c = 0; c < channels; ++c) sum += std::exp(double{x[first + c]});
        for (int c = 0; c < channels; ++c) {
          const double probability = std::exp(double{x[first + c]}) / sum;
          y.push_back(plain ? probability : std::log(probability));
          dot += dy[first + c] * (plain ? probability : 1.0);
        }
        for (int c = 0; c < channels; ++c) {
          const double g = dy[first + c], p_c = y[first + c];
          dx.push_back(plain ? p_c * (g - dot) : g - std::exp(p_c) * dot);
        }
      }
      const auto got = run_on(device(), [&](Stream& s) {
        const Tensor in = slice_of(s, shape, x, DType::kF32, 1, channels + 3), gradient = unwritten(s, shape);
        const Tensor out = slice_of(s, shape, dy, DType::kF32, 0, channels + 1);  // written over
        softmax(s, {kind, in, out});
        softmax_backward(s, {kind, out, tensor_of(s, shape, dy), gradient});
        std::vector<float> all = out.to_host(s);
        append(all, gradient.to_host(s));
        return all;
      });
      y.insert(y.end(), dx.begin(), dx.end());
      ASSERT_EQ(got.size(), y.size());
      for (std::size_t i = 0; i < y.size(); ++i) {
        ASSERT_TRUE(std::abs(got[i] - y[i]) <= 1e-5 * std::max(1.0, std::abs(y[i]))) << got[i] << " for " << y[i];
      }
    }
  }
}

TEST_P(ChannelSoftmaxTest, LargeValuesAndNan) {
  const Tensor x = tensor_of(stream(), {1, 1, 2, 2}, {1e4f, 1e4f, 0, std::nanf("")}),
               y = unwritten(stream(), {1, 1, 2, 2});
  softmax(stream(), {SoftmaxKind::kSoftmax, x, y});
  const std::vector<float> shares = y.to_host(stream());
  EXPECT_EQ(shares[0], 0.5f);
  EXPECT_EQ(shares[1], 0.5f);
  EXPECT_TRUE(std::isnan(shares[2]) && std::isnan(shares[3]));
  softmax(stream(), {SoftmaxKind::kLogSoftmax, x, y});
  EXPECT_NEAR(y.to_host(stream())[0], -std::log(2.0), 1e-6);
}

TEST_P(ChannelSoftmaxTest, RefusesWhatDoesNotFit) {
  const Tensor x = unwritten(stream(), {1, 1, 2, 2}), narrow = unwritten(stream(), {1, 1, 2, 2}, DType::kBF16);
  EXPECT_THROW(softmax(stream(), {SoftmaxKind::kSoftmax, x, unwritten(stream(), {1, 1, 2, 3})}), ShapeError);
  EXPECT_THROW(softmax(stream(), {SoftmaxKind::kSoftmax, narrow, narrow}), ShapeError);
  EXPECT_THROW(softmax_backward(stream(), {SoftmaxKind::kSoftmax, x, narrow, x}), ShapeError);
}

INSTANTIATE_ON_BACKENDS(ChannelSoftmaxTest);

}  // namespace
}  // namespace boxcar::kernels
