// Convolutions in bf16 against f32 ones on the same numbers.
#include <gtest/gtest.h>

#include <cmath>

#include "boxcar/kernels/common/copy.h"
#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/kernels/conv/conv.h"
#include "boxcar/runtime/base/error.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

struct Case {
  Shape x;
  int out;
  ConvOptions options;
};

const Case kCases[] = {
    {{2, 9, 11, 3}, 16, {.kernel = 3, .stride = 2, .padding = 1}},  // the stem's three channels
    {{2, 8, 8, 32}, 64, {.kernel = 1}},
    {{1, 7, 5, 64}, 32, {.kernel = 3, .padding = 1}},
    {{1, 6, 6, 64}, 3, {.kernel = 1}},                               // a head of three classes
    {{2, 6, 7, 24}, 24, {.kernel = 3, .padding = 1, .groups = 24}},  // depthwise
};

class ConvBf16 : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!cpu_has_bf16()) GTEST_SKIP() << "this CPU has no bf16 instructions";
  }

  // Numbers that bf16 holds exactly: their products are exact in f32, so both arithmetics add up the same terms.
  Tensor exact(Shape shape, unsigned seed) {
    return test::tensor_of(stream_, shape, test::rounded_to(DType::kBF16, test::random_values(shape.count(), seed)));
  }
  Tensor as(const Tensor& from, DType dtype) {
    const Tensor to = Tensor::empty(stream_, from.shape(), dtype);
    copy(stream_, {from, to});
    return to;
  }
  // A rounding to bf16 is half of 2^-7; sums of n exact terms in another order differ by n * 2^-24 of their size.
  void expect_near(const Tensor& bf16, const Tensor& f32, double rounding, double terms) {
    const std::vector<float> got = bf16.to_host(stream_), want = f32.to_host(stream_);
    double largest = 0;
    for (const float v : want) largest = std::max<double>(largest, std::abs(v));
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double error = std::abs(double(got[i]) - want[i]);
      ASSERT_TRUE(error <= rounding * std::abs(want[i]) + terms * std::exp2(-23) * largest)
          << i << ": " << got[i] << ' ' << want[i];
    }
  }
  static constexpr double kRounded = 1.0 / 256, kKept = 0;

  Stream stream_;
};

TEST_P(ConvBf16, ForwardIsTheF32ResultRounded) {
  const auto& [x_shape, out, options] = GetParam();
  const Tensor x = exact(x_shape, 1), w = exact(conv_weight_shape(x_shape.c, out, options), 2);
  const Tensor y = Tensor::empty(stream_, conv_output_shape(x_shape, out, options));
  conv_forward(stream_, {x, w, nullptr, y, options});
  const double terms = double(w.count()) / out;
  const Tensor y16 = Tensor::empty(stream_, y.shape(), DType::kBF16);
  conv_forward(stream_, {as(x, DType::kBF16), w, nullptr, y16, options});
  expect_near(y16, y, kRounded, terms);
  if (options.groups == 1) {  // the head's: f32 results from bf16 operands
    const Tensor y32 = Tensor::empty(stream_, y.shape());
    conv_forward(stream_, {as(x, DType::kBF16), as(w, DType::kBF16), nullptr, y32, options});
    expect_near(y32, y, kKept, terms);
  }
}

TEST_P(ConvBf16, BackwardInputIsTheF32ResultRounded) {
  const auto& [x_shape, out, options] = GetParam();
  const Tensor w = exact(conv_weight_shape(x_shape.c, out, options), 2);
  const Tensor dy = exact(conv_output_shape(x_shape, out, options), 3);
  const Tensor dx = Tensor::empty(stream_, x_shape), dx16 = Tensor::empty(stream_, x_shape, DType::kBF16);
  conv_backward_input(stream_, {dy, w, dx, options});
  conv_backward_input(stream_, {as(dy, DType::kBF16), w, dx16, options});
  expect_near(dx16, dx, kRounded, double(options.kernel * options.kernel * out));
}

TEST_P(ConvBf16, BackwardWeightIsF32AndAdds) {
  const auto& [x_shape, out, options] = GetParam();
  const Tensor x = exact(x_shape, 1), dy = exact(conv_output_shape(x_shape, out, options), 3);
  const Shape w = conv_weight_shape(x_shape.c, out, options);
  const Tensor dw = exact(w, 4), dw16 = dw.clone(stream_);
  conv_backward_weight(stream_, {x, dy, dw, nullptr, options, GradMode::kAdd});
  conv_backward_weight(stream_, {as(x, DType::kBF16), as(dy, DType::kBF16), dw16, nullptr, options, GradMode::kAdd});
  expect_near(dw16, dw, kKept, double(dy.count()) / out);
}

TEST_P(ConvBf16, NoReferenceImplementationRuns) {
  const auto& [x_shape, out, options] = GetParam();
  if (options.groups > 1) GTEST_SKIP() << "ours, not the library's";
  const Tensor x = as(exact(x_shape, 1), DType::kBF16), w = exact(conv_weight_shape(x_shape.c, out, options), 2);
  const Tensor y = Tensor::empty(stream_, conv_output_shape(x_shape, out, options), DType::kBF16);
  const Tensor dx = Tensor::empty(stream_, x_shape, DType::kBF16), dw = Tensor::empty(stream_, w.shape());
  conv_forward(stream_, {x, w, nullptr, y, options});
  conv_backward_input(stream_, {y, w, dx, options});
  conv_backward_weight(stream_, {x, y, dw, nullptr, options});
  const auto names = conv_implementations(stream_);
  EXPECT_EQ(names.size(), 3u);
  for (const std::string& name : names) EXPECT_EQ(name.find("ref"), std::string::npos) << name;
}

TEST(ConvTypes, ThatDoNotFitAreRefused) {
  Stream stream;
  const Tensor x = Tensor::zeros(stream, {1, 2, 2, 8}), w = Tensor::zeros(stream, {4, 1, 1, 8});
  const Tensor w16 = Tensor::zeros(stream, {4, 1, 1, 8}, DType::kBF16), y = Tensor::zeros(stream, {1, 2, 2, 4});
  EXPECT_THROW(conv_forward(stream, {x, w16, nullptr, y, {}}), ShapeError);
  const Tensor dx16 = Tensor::zeros(stream, x.shape(), DType::kBF16);
  EXPECT_THROW(conv_backward_input(stream, {y, w, dx16, {}}), ShapeError);
}

INSTANTIATE_TEST_SUITE_P(Shapes, ConvBf16, testing::ValuesIn(kCases));

}  // namespace
}  // namespace boxcar::kernels
