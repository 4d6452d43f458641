// Convolutions in bf16 against f32 ones on the same numbers.
#include <gtest/gtest.h>

#include <cmath>

#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/kernels/conv/conv.h"
#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
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
    {{1, 7, 5, 64}, 32, {.kernel = 3, .padding = 1}},  // by Winograd's filtering on the CPU
    {{1, 7, 5, 64}, 32, {.kernel = 3, .stride = 2, .padding = 1}},
    {{1, 6, 6, 64}, 3, {.kernel = 1}},                               // a head of three classes
    {{2, 6, 7, 24}, 24, {.kernel = 3, .padding = 1, .groups = 24}},  // depthwise
};

class ConvBf16 : public testing::TestWithParam<std::tuple<Case, Device>> {
 protected:
  const Case& test_case() const { return std::get<0>(GetParam()); }
  Device device() const { return std::get<1>(GetParam()); }
  bool is_depthwise() const { return test_case().options.groups > 1; }
  bool is_filtered() const {
    const ConvOptions& o = test_case().options;
    return o.kernel == 3 && o.stride == 1 && !is_depthwise() && !cpu_has_amx();
  }
  Shape w_shape() const { return conv_weight_shape(test_case().x.c, test_case().out, test_case().options); }
  Shape y_shape() const { return conv_output_shape(test_case().x, test_case().out, test_case().options); }

  void SetUp() override {
    if (!device().is_cuda() && !cpu_has_bf16()) GTEST_SKIP() << "this CPU has no bf16 instructions";
  }

  // The CPU's sums, the library's, need not have the same bits for every number of threads.
  std::vector<float> run(const test::Run& run) const {
    if (device().is_cuda()) return test::run_on(device(), run);
    Stream stream;
    return run(stream);
  }

  // Numbers that bf16 holds exactly: their products are exact in f32, so both arithmetics add up the same terms.
  static std::vector<float> exact(Shape shape, unsigned seed) {
    return test::rounded_to(DType::kBF16, test::random_values(shape.count(), seed));
  }
  // A rounding to bf16 is half of 2^-7; sums of n exact terms in another order differ by n * 2^-24 of their size.
  static void expect_near(const std::vector<float>& got, const std::vector<float>& want, double rounding,
                          double terms) {
    double largest = 0;
    for (const float v : want) largest = std::max<double>(largest, std::abs(v));
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double error = std::abs(double(got[i]) - want[i]);
      ASSERT_TRUE(error <= rounding * std::abs(want[i]) + terms * std::exp2(-23) * largest)
          << i << ": " << got[i] << ' ' << want[i];
    }
  }
  static constexpr double kRounded = 1.0 / 256, kKept = 0;
};

TEST_P(ConvBf16, ForwardIsTheF32ResultRounded) {
  const auto& [x_shape, out, options] = test_case();
  const std::vector<float> x = exact(x_shape, 1), w = exact(w_shape(), 2);
  const auto forward = [&](DType x_dtype, DType w_dtype, DType y_dtype) {
    return run([&](Stream& s) {
      const Tensor y = test::unwritten(s, y_shape(), y_dtype);
      conv_forward(
          s, {test::tensor_of(s, x_shape, x, x_dtype), test::tensor_of(s, w_shape(), w, w_dtype), nullptr, y, options});
      return y.to_host(s);
    });
  };
  const std::vector<float> y = forward(DType::kF32, DType::kF32, DType::kF32);
  const double terms = double(w_shape().count()) / out;
  expect_near(forward(DType::kBF16, DType::kF32, DType::kBF16), y, kRounded, terms);
  if (is_depthwise()) return;
  // The head's: f32 results from bf16 operands.
  expect_near(forward(DType::kBF16, DType::kBF16, DType::kF32), y, kKept, terms);
}

TEST_P(ConvBf16, F32WeightsAreRoundedOnTheWay) {
  const auto& [x_shape, out, options] = test_case();
  const std::vector<float> x = exact(x_shape, 1), w = test::random_values(w_shape().count(), 2);
  const std::vector<float> dy = exact(y_shape(), 3);
  const auto results = [&](const std::vector<float>& weights, bool with_copy) {
    return run([&](Stream& s) {
      const Tensor y = test::unwritten(s, y_shape(), DType::kBF16), dx = test::unwritten(s, x_shape, DType::kBF16);
      const Tensor filters = test::tensor_of(s, w_shape(), weights);
      const Tensor copy = test::tensor_of(s, w_shape(), weights, DType::kBF16);
      std::optional<TensorView> rounded;
      if (with_copy) rounded = copy.view();
      conv_forward(s, {.x = test::tensor_of(s, x_shape, x, DType::kBF16),
                       .w = filters,
                       .y = y,
                       .options = options,
                       .rounded = rounded});
      conv_backward_input(s, {test::tensor_of(s, y_shape(), dy, DType::kBF16), filters, dx, options, rounded});
      std::vector<float> all = y.to_host(s);
      test::append(all, dx.to_host(s));
      return all;
    });
  };
  const std::vector<float> wanted = results(test::rounded_to(DType::kBF16, w), false);
  EXPECT_EQ(results(w, false), wanted);
  EXPECT_EQ(results(w, true), wanted);
}

TEST_P(ConvBf16, BackwardInputIsTheF32ResultRounded) {
  const auto& [x_shape, out, options] = test_case();
  const std::vector<float> w = exact(w_shape(), 2), dy = exact(y_shape(), 3);
  const auto gradient = [&](DType dtype) {
    return run([&](Stream& s) {
      const Tensor dx = test::unwritten(s, x_shape, dtype);
      conv_backward_input(s, {test::tensor_of(s, y_shape(), dy, dtype), test::tensor_of(s, w_shape(), w), dx, options});
      return dx.to_host(s);
    });
  };
  expect_near(gradient(DType::kBF16), gradient(DType::kF32), kRounded, double(options.kernel * options.kernel * out));
}

TEST_P(ConvBf16, BackwardWeightIsF32AndAdds) {
  const auto& [x_shape, out, options] = test_case();
  const std::vector<float> x = exact(x_shape, 1), dy = exact(y_shape(), 3), before = exact(w_shape(), 4);
  const auto gradient = [&](DType dtype) {
    return run([&](Stream& s) {
      const Tensor dw = test::tensor_of(s, w_shape(), before);
      conv_backward_weight(s, {test::tensor_of(s, x_shape, x, dtype), test::tensor_of(s, y_shape(), dy, dtype), dw,
                               nullptr, options, GradMode::kAdd});
      return dw.to_host(s);
    });
  };
  expect_near(gradient(DType::kBF16), gradient(DType::kF32), kKept, double(y_shape().pixels()));
}

TEST_P(ConvBf16, NoReferenceImplementationRuns) {
  const auto& [x_shape, out, options] = test_case();
  if (device().is_cuda() || is_depthwise() || is_filtered()) GTEST_SKIP() << "ours, not the library's";
  Stream s;
  const Tensor x = Tensor::zeros(s, x_shape, DType::kBF16), w = Tensor::zeros(s, w_shape());
  const Tensor y = Tensor::empty(s, y_shape(), DType::kBF16);
  const Tensor dx = Tensor::empty(s, x_shape, DType::kBF16), dw = Tensor::empty(s, w_shape());
  conv_forward(s, {x, w, nullptr, y, options});
  conv_backward_input(s, {y, w, dx, options});
  conv_backward_weight(s, {x, y, dw, nullptr, options});
  const auto names = conv_implementations(s);
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
  const Tensor x16 = Tensor::zeros(stream, x.shape(), DType::kBF16),
               y16 = Tensor::zeros(stream, y.shape(), x16.dtype());
  const Tensor other = Tensor::zeros(stream, {4, 1, 1, 4}, DType::kBF16);
  for (const Tensor& not_rounded : {w, other}) {
    EXPECT_THROW(conv_forward(stream, {.x = x16, .w = w, .y = y16, .options = {}, .rounded = not_rounded}), ShapeError);
    EXPECT_THROW(conv_backward_input(stream, {y16, w, dx16, {}, not_rounded}), ShapeError);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, ConvBf16,
                         testing::Combine(testing::ValuesIn(kCases), testing::ValuesIn(test::devices())),
                         [](const auto& each) {
                           return "case_" + std::to_string(each.index) +
                                  (std::get<1>(each.param).is_cuda() ? "_cuda" : "_cpu");
                         });

}  // namespace
}  // namespace boxcar::kernels
