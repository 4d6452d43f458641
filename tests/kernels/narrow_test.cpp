// Convolutions of few channels beside the sums as they are defined.
#include "boxcar/kernels/conv/narrow.h"

#include <gtest/gtest.h>

#include "support/simd.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::tensor_of;
using test::unwritten;
using test::whole_values;

struct Case {
  const char* name;
  Shape x;
  int out;
  ConvOptions options{.kernel = 3, .padding = 1};
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const std::vector<Case> kCases = {
    {"one_pixel", {1, 1, 1, 8}, 16},
    {"first_layer", {2, 18, 61, 3}, 16, {.kernel = 3, .stride = 2, .padding = 1}},
    {"wider_first_layer", {1, 7, 9, 3}, 64, {.kernel = 3, .stride = 2, .padding = 1}},
    {"one_channel_six_wide", {1, 13, 14, 1}, 32, {.kernel = 6, .stride = 2, .padding = 2}},
    {"eight_to_sixteen", {2, 5, 53, 8}, 16},
    {"sixteen_to_eight", {2, 6, 50, 16}, 8},
    {"thirty_two_to_eight", {1, 4, 9, 32}, 8},
    {"eight_to_eight_of_odd_width", {1, 9, 7, 8}, 8},
    {"eight_of_stride_two", {1, 8, 11, 12}, 8, {.kernel = 3, .stride = 2, .padding = 1}},
    {"no_padding", {1, 6, 9, 4}, 16, {.kernel = 3}},
    {"more_padding_than_picture", {1, 2, 1, 2}, 16, {.kernel = 3, .stride = 8, .padding = 4}},
};

class Narrow : public testing::TestWithParam<Case> {
 protected:
  const Case& c() const { return GetParam(); }
  Shape y_shape() const { return conv_output_shape(c().x, c().out, c().options); }
  Shape w_shape() const { return conv_weight_shape(c().x.c, c().out, c().options); }

  std::vector<float> x_ = whole_values(GetParam().x.count(), 5, 1), w_ = whole_values(w_shape().count(), 5, 2),
                     dy_ = whole_values(y_shape().count(), 5, 3), bias_ = whole_values(GetParam().out, 5, 4);

  // Calls f(index into y, into x, into w) for every product of the convolution.
  template <class F>
  void for_products(F&& f) const {
    const Shape x = c().x, y = y_shape();
    const int k = c().options.kernel;
    for (std::int64_t i = 0; i < y.count(); ++i) {
      const auto o = i % y.c, ox = i / y.c % y.w, oy = i / y.c / y.w % y.h, n = i / y.c / y.w / y.h;
      for (std::int64_t tap = 0; tap < k * k; ++tap) {
        const auto row = oy * c().options.stride - c().options.padding + tap / k;
        const auto column = ox * c().options.stride - c().options.padding + tap % k;
        if (row < 0 || row >= x.h || column < 0 || column >= x.w) continue;
        for (std::int64_t j = 0; j < x.c; ++j) {
          f(std::size_t(i), std::size_t(((n * x.h + row) * x.w + column) * x.c + j),
            std::size_t((o * k * k + tap) * x.c + j));
        }
      }
    }
  }

  // The same bits on every instruction set and with any number of threads.
  template <class Run>
  void expect_everywhere(const std::vector<float>& want, Run&& run) {
    test::on_every_target([&] {
      for (const int threads : {1, 3}) {
        Stream stream(Device::cpu(), {.threads = threads});
        EXPECT_EQ(run(stream), want) << threads << " threads";
      }
    });
  }
};

TEST_P(Narrow, ForwardIsTheSum) {
  std::vector<float> want(static_cast<std::size_t>(y_shape().count()));
  for (std::size_t i = 0; i < want.size(); ++i) want[i] = bias_[i % static_cast<std::size_t>(c().out)];
  for_products([&](auto y, auto x, auto w) { want[y] += x_[x] * w_[w]; });
  expect_everywhere(want, [&](Stream& stream) {
    const Tensor x = tensor_of(stream, c().x, x_), w = tensor_of(stream, w_shape(), w_);
    const Tensor y = unwritten(stream, y_shape());
    EXPECT_TRUE(cpu::suits_narrow(x, y, c().options));
    cpu::ConvEpilogue epilogue = cpu::ConvEpilogue::store(y);
    epilogue.bias = bias_.data();
    cpu::narrow_forward(stream, {.x = x, .w = w, .y = y, .options = c().options}, epilogue);
    return y.to_host(stream);
  });
}

class NarrowBackward : public Narrow {};

TEST_P(NarrowBackward, InputIsTheAdjoint) {
  std::vector<float> want(x_.size());
  for_products([&](auto y, auto x, auto weight) { want[x] += dy_[y] * w_[weight]; });
  expect_everywhere(want, [&](Stream& each) {
    const Tensor dy = tensor_of(each, y_shape(), dy_), weights = tensor_of(each, w_shape(), w_);
    const Tensor dx = unwritten(each, c().x);
    const ConvBackwardInputArgs args{dy, weights, dx, c().options};
    EXPECT_TRUE(cpu::suits_narrow_backward_input(args));
    cpu::narrow_backward_input(each, args);
    return dx.to_host(each);
  });
}

std::vector<Case> cases_both_ways() {
  std::vector<Case> cases;
  for (const Case& c : kCases) {
    if (c.options.stride == 1 && c.out <= 32 && c.x.c == 8) cases.push_back(c);
  }
  return cases;
}

const auto kName = [](const auto& each) { return each.param.name; };
INSTANTIATE_TEST_SUITE_P(Cases, Narrow, testing::ValuesIn(kCases), kName);
INSTANTIATE_TEST_SUITE_P(Cases, NarrowBackward, testing::ValuesIn(cases_both_ways()), kName);

}  // namespace
}  // namespace boxcar::kernels
