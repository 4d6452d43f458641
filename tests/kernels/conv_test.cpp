#include "boxcar/kernels/conv/conv.h"

#include <gtest/gtest.h>

#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::inner;
using test::run_on;
using test::slice_of;
using test::tensor_of;
using test::unwritten;
using test::whole_values;

class ConvTest : public test::BackendTest {};

TEST_P(ConvTest, HandWorkedKernels) {
  const Tensor x = tensor_of(stream(), {1, 3, 3, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  // The pixel above, and ten times the one below to the right; 0 outside.
  const Tensor w = tensor_of(stream(), {1, 3, 3, 1}, {0, 1, 0, 0, 0, 0, 0, 0, 10});
  const Tensor bias = tensor_of(stream(), {1, 1, 1, 1}, {100});
  const Tensor y = unwritten(stream(), {1, 3, 3, 1});
  conv_forward(stream(), {x, w, bias.as(), y, {.kernel = 3, .padding = 1}});
  EXPECT_EQ(y.to_host(stream()), (std::vector<float>{150, 160, 100, 181, 192, 103, 104, 105, 106}));
  // Every second pixel of that, from the first on.
  const Tensor half = unwritten(stream(), {1, 2, 2, 1});
  conv_forward(stream(), {x, w, bias.as(), half, {.kernel = 3, .stride = 2, .padding = 1}});
  EXPECT_EQ(half.to_host(stream()), (std::vector<float>{150, 100, 104, 106}));
}

TEST_P(ConvTest, HandWorkedGroups) {
  // Channels 0, 1 make y 0 and channels 2, 3 make y 1; one filter a channel where there are as many groups.
  const Tensor x = tensor_of(stream(), {1, 1, 1, 4}, {1, 2, 3, 4});
  const Tensor w = tensor_of(stream(), {2, 1, 1, 2}, {1, 10, 100, 1000});
  const Tensor y = unwritten(stream(), {1, 1, 1, 2});
  conv_forward(stream(), {x, w, nullptr, y, {.groups = 2}});
  EXPECT_EQ(y.to_host(stream()), (std::vector<float>{21, 4300}));
  const Tensor each = unwritten(stream(), {1, 1, 1, 4}),
               filters = tensor_of(stream(), {1, 1, 1, 4}, {1, 10, 100, 1000});
  conv_forward(stream(), {x, filters, nullptr, each, {.groups = 4}});
  EXPECT_EQ(each.to_host(stream()), (std::vector<float>{1, 20, 300, 4000}));
}

// ---- gradients, by the adjoint identity

struct Case {
  const char* name;
  Shape x;
  int out;
  ConvOptions options;
  DType dtype = DType::kF32;
  bool sliced = false;  // x is a channel range of a wider tensor; depthwise only
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const std::vector<Case> kCases = {
    {"one_element", {1, 1, 1, 1}, 1, {}},
    {"pointwise", {2, 5, 7, 16}, 24, {}},
    {"pointwise_odd_channels", {1, 7, 3, 13}, 5, {}},
    {"pointwise_stride", {1, 7, 6, 8}, 8, {.stride = 2}},
    {"image_channels", {2, 9, 11, 3}, 16, {.kernel = 3, .stride = 2, .padding = 1}},
    {"image_channels_odd", {1, 17, 10, 3}, 19, {.kernel = 3, .padding = 1}},
    {"image_channels_many_pixels", {1, 92, 91, 3}, 4, {.kernel = 3, .stride = 2, .padding = 1}},
    {"k3", {2, 5, 7, 16}, 24, {.kernel = 3, .padding = 1}},
    {"k3_to_three_channels", {1, 6, 5, 64}, 3, {.kernel = 3, .padding = 1}},
    {"k3_one_pixel", {3, 1, 1, 8}, 8, {.kernel = 3, .padding = 1}},
    {"k3_one_column", {1, 9, 1, 5}, 7, {.kernel = 3, .padding = 1}},
    {"k3_no_padding", {1, 6, 9, 8}, 16, {.kernel = 3}},
    {"k3_stride_3", {1, 11, 10, 8}, 8, {.kernel = 3, .stride = 3, .padding = 1}},
    {"k3_dilated", {1, 9, 8, 8}, 16, {.kernel = 3, .padding = 2, .dilation = 2}},
    {"k3_stride_64", {2, 9, 11, 64}, 13, {.kernel = 3, .stride = 2, .padding = 1}},
    {"k3_stride_64_long_row", {1, 3, 203, 64}, 7, {.kernel = 3, .stride = 2, .padding = 1}},
    {"k5_stride_3_dilated_128", {1, 14, 13, 128}, 2, {.kernel = 5, .stride = 3, .padding = 4, .dilation = 2}},
    {"pointwise_stride_64", {3, 5, 4, 64}, 70, {.stride = 2}},
    {"k2_stride", {1, 7, 6, 4}, 6, {.kernel = 2, .stride = 2}},
    {"k5", {1, 8, 7, 6}, 10, {.kernel = 5, .padding = 2}},
    {"k3_dilated_stride", {1, 9, 8, 8}, 8, {.kernel = 3, .stride = 2, .padding = 2, .dilation = 2}},
    {"k3_stride_bf16_image", {1, 9, 8, 3}, 16, {.kernel = 3, .stride = 2, .padding = 1}, DType::kBF16},
    {"k3_stride_pairs", {2, 7, 8, 6}, 34, {.kernel = 3, .stride = 2, .padding = 1}},
    {"many_pixels", {2, 21, 17, 4}, 8, {}},
    {"many_tiles_narrow", {1, 91, 91, 4}, 8, {}},
    {"many_tiles", {1, 91, 91, 4}, 40, {}},
    {"many_filters", {1, 2, 3, 40}, 72, {.kernel = 3, .padding = 1}},
    {"k6_stride", {1, 13, 12, 3}, 16, {.kernel = 6, .stride = 2, .padding = 2}},
    {"grouped", {2, 6, 5, 16}, 24, {.kernel = 3, .padding = 1, .groups = 4}},
    {"grouped_odd", {1, 5, 6, 9}, 15, {.kernel = 3, .stride = 2, .padding = 1, .groups = 3}},
    {"grouped_pointwise", {1, 4, 4, 8}, 8, {.groups = 2}},
    {"two_filters_a_channel", {1, 6, 6, 8}, 16, {.kernel = 3, .padding = 1, .groups = 8}},
    {"depthwise", {2, 5, 7, 16}, 16, {.kernel = 3, .padding = 1, .groups = 16}},
    {"depthwise_slice", {2, 5, 7, 16}, 16, {.kernel = 3, .padding = 1, .groups = 16}, DType::kF32, true},
    {"depthwise_odd_slice", {1, 6, 5, 7}, 7, {.kernel = 3, .stride = 2, .padding = 1, .groups = 7}, DType::kF32, true},
    {"depthwise_dilated", {1, 8, 9, 19}, 19, {.kernel = 3, .padding = 2, .dilation = 2, .groups = 19}},
    {"depthwise_k5", {1, 7, 7, 12}, 12, {.kernel = 5, .padding = 2, .groups = 12}},
    {"depthwise_k7", {1, 8, 7, 5}, 5, {.kernel = 7, .padding = 3, .groups = 5}, DType::kF32, true},
    {"depthwise_one_pixel", {2, 1, 1, 33}, 33, {.kernel = 3, .padding = 1, .groups = 33}},
    {"depthwise_no_padding", {1, 4, 6, 8}, 8, {.kernel = 3, .groups = 8}},
    {"depthwise_bf16", {1, 6, 7, 16}, 16, {.kernel = 3, .padding = 1, .groups = 16}, DType::kBF16, true},
    {"depthwise_odd_bf16", {1, 6, 7, 9}, 9, {.kernel = 3, .stride = 2, .padding = 1, .groups = 9}, DType::kBF16},
    {"k3_bf16", {2, 5, 7, 16}, 24, {.kernel = 3, .padding = 1}, DType::kBF16},
    {"pointwise_bf16", {1, 5, 6, 32}, 16, {}, DType::kBF16},
    {"k3_stride_fours_bf16", {1, 6, 7, 12}, 20, {.kernel = 3, .stride = 2, .padding = 1}, DType::kBF16},
    {"grouped_pairs_bf16", {1, 6, 5, 12}, 20, {.kernel = 3, .padding = 1, .groups = 2}, DType::kBF16},
    {"pointwise_odd_bf16", {1, 7, 3, 13}, 5, {}, DType::kBF16},
    {"many_tiles_narrow_bf16", {1, 91, 91, 8}, 8, {}, DType::kBF16},
    {"many_tiles_bf16", {1, 91, 91, 8}, 40, {}, DType::kBF16},
    {"many_filters_bf16", {1, 2, 3, 16}, 72, {.kernel = 3, .padding = 1}, DType::kBF16},
};

bool is_depthwise(const Case& c) { return c.options.groups > 1 && c.options.groups == c.x.c && c.out == c.x.c; }

bool runs_on(Device device, const Case& c) {
  return device.is_cuda() || c.dtype == DType::kF32 || is_depthwise(c) || cpu_has_bf16();
}

// f32: products of at most 4 * 4, of which 3200 make an element and 8281 a gradient of a weight: far below 2^24.
// bf16: at most 9 * 24 products of 1 and a bias of 1, which 8 bits hold.
class ConvAdjoint : public testing::TestWithParam<std::tuple<Case, Device>> {
 protected:
  const Case& test_case() const { return std::get<0>(GetParam()); }
  Device device() const { return std::get<1>(GetParam()); }
  void SetUp() override {
    const Case& c = test_case();
    if (!runs_on(device(), c)) GTEST_SKIP() << "this CPU has no bf16 convolutions";
    const int most = c.dtype == DType::kF32 ? 4 : 1;
    y_shape_ = conv_output_shape(c.x, c.out, c.options);
    w_shape_ = conv_weight_shape(c.x.c, c.out, c.options);
    x_ = whole_values(c.x.count(), most, 1);
    w_ = whole_values(w_shape_.count(), most, 2);
    bias_ = whole_values(c.out, most, 3);
    dy_ = whole_values(y_shape_.count(), most, 4);
  }

  Tensor x(Stream& stream) const {
    const Case& c = test_case();
    return c.sliced ? slice_of(stream, c.x, x_, c.dtype, 3, c.x.c + 5) : tensor_of(stream, c.x, x_, c.dtype);
  }
  Tensor w(Stream& stream) const { return tensor_of(stream, w_shape_, w_, test_case().dtype); }
  Tensor dy(Stream& stream) const { return tensor_of(stream, y_shape_, dy_, test_case().dtype); }
  Tensor vector_of(Stream& stream, const std::vector<float>& values) const {
    return tensor_of(stream, {1, 1, 1, static_cast<int>(values.size())}, values);
  }
  std::vector<float> forward(bool with_bias) const {
    return run_on(device(), [&](Stream& stream) {
      const Tensor y = unwritten(stream, y_shape_, test_case().dtype), bias = vector_of(stream, bias_);
      conv_forward(stream, {x(stream), w(stream), with_bias ? bias.as() : nullptr, y, test_case().options});
      return y.to_host(stream);
    });
  }

  Shape y_shape_, w_shape_;
  std::vector<float> x_, w_, bias_, dy_;
};

// The results are whole numbers that both types hold: every device has the same bits as the CPU's f32.
TEST_P(ConvAdjoint, ForwardEqualsTheCpus) {
  Stream cpu;
  const Tensor y = unwritten(cpu, y_shape_);
  conv_forward(cpu,
               {tensor_of(cpu, test_case().x, x_), tensor_of(cpu, w_shape_, w_), bias_.data(), y, test_case().options});
  EXPECT_EQ(forward(true), y.to_host(cpu));
}

TEST_P(ConvAdjoint, OfTheInput) {
  const std::vector<float> dx = run_on(device(), [&](Stream& stream) {
    const Tensor out = unwritten(stream, test_case().x, test_case().dtype);
    conv_backward_input(stream, {dy(stream), w(stream), out, test_case().options});
    return out.to_host(stream);
  });
  EXPECT_EQ(inner(dx, x_), inner(dy_, forward(false)));
}

TEST_P(ConvAdjoint, OfTheWeightsAndTheBias) {
  const std::vector<float> old_w = whole_values(w_shape_.count(), 9, 5), old_bias = whole_values(test_case().out, 9, 6);
  // dw, dbias; dw alone; both added to what is there.
  const std::vector<float> all = run_on(device(), [&](Stream& stream) {
    const Tensor in = x(stream), gradient = dy(stream), dw = unwritten(stream, w_shape_);
    const Tensor dbias = unwritten(stream, {1, 1, 1, test_case().out}), alone = unwritten(stream, w_shape_);
    const Tensor sum_w = tensor_of(stream, w_shape_, old_w), sum_bias = vector_of(stream, old_bias);
    const ConvOptions& options = test_case().options;
    conv_backward_weight(stream, {in, gradient, dw, dbias.as(), options});
    conv_backward_weight(stream, {in, gradient, alone, nullptr, options});
    conv_backward_weight(stream, {in, gradient, sum_w, sum_bias.as(), options, GradMode::kAdd});
    std::vector<float> results = dw.to_host(stream);
    for (const Tensor& t : {dbias, alone, sum_w, sum_bias}) test::append(results, t.to_host(stream));
    return results;
  });
  auto next = all.begin();
  const auto take = [&](std::size_t count) {
    next += static_cast<std::ptrdiff_t>(count);
    return std::vector<float>(next - static_cast<std::ptrdiff_t>(count), next);
  };
  const std::vector<float> dw = take(w_.size()), dbias = take(bias_.size()), alone = take(w_.size());
  std::vector<float> sum_w = take(w_.size()), sum_bias = take(bias_.size());
  EXPECT_EQ(inner(dw, w_) + inner(dbias, bias_), inner(dy_, forward(true)));
  EXPECT_EQ(alone, dw);
  for (std::size_t i = 0; i < dw.size(); ++i) sum_w[i] -= dw[i];
  for (std::size_t i = 0; i < dbias.size(); ++i) sum_bias[i] -= dbias[i];
  EXPECT_EQ(sum_w, old_w);
  EXPECT_EQ(sum_bias, old_bias);
}

INSTANTIATE_TEST_SUITE_P(Cases, ConvAdjoint,
                         testing::Combine(testing::ValuesIn(kCases), testing::ValuesIn(test::devices())),
                         [](const auto& each) {
                           return std::string(std::get<0>(each.param).name) +
                                  (std::get<1>(each.param).is_cuda() ? "_cuda" : "_cpu");
                         });

TEST_P(ConvTest, WithoutImagesTheGradientsAreZero) {
  const Tensor x = unwritten(stream(), {0, 4, 4, 8}), y = unwritten(stream(), {0, 4, 4, 16});
  const Tensor w = unwritten(stream(), {16, 1, 1, 8}), dbias = unwritten(stream(), {1, 1, 1, 16});
  conv_forward(stream(), {x, w, nullptr, y, {}});
  conv_backward_input(stream(), {y, w, x, {}});
  conv_backward_weight(stream(), {x, y, w, dbias.as(), {}});
  EXPECT_EQ(w.to_host(stream()), std::vector<float>(128, 0.0f));
  EXPECT_EQ(dbias.to_host(stream()), std::vector<float>(16, 0.0f));
}

TEST_P(ConvTest, RefusesWhatDoesNotFit) {
  Stream& stream = this->stream();
  const Tensor x = unwritten(stream, {1, 5, 5, 4}), w = unwritten(stream, {8, 3, 3, 4});
  const Tensor y = unwritten(stream, {1, 3, 3, 8}), wide = unwritten(stream, {1, 5, 5, 9});
  const auto forward = [&](const TensorView& in, const TensorView& weights, const TensorView& out, ConvOptions o) {
    conv_forward(stream, {in, weights, nullptr, out, o});
  };
  EXPECT_THROW(forward(x, w, y, {.kernel = 3, .padding = 1}), ShapeError);                  // y is too small
  EXPECT_THROW(forward(x, unwritten(stream, {8, 3, 3, 5}), y, {.kernel = 3}), ShapeError);  // weights of 5 channels
  EXPECT_THROW(forward(x, w, y, {.kernel = 3, .groups = 3}), ShapeError);                   // 3 does not divide 4
  EXPECT_THROW(forward(x, w, y, {.kernel = 7}), ShapeError);                                // larger than the image
  EXPECT_THROW(forward(wide.channels(0, 4), w, y, {.kernel = 3}), ShapeError);              // dense, but not packed
  EXPECT_THROW(forward(x, unwritten(stream, {8, 3, 3, 4}, DType::kBF16), y, {.kernel = 3}), ShapeError);
  EXPECT_THROW(conv_backward_input(stream, {y, w, wide.channels(0, 4), {.kernel = 3}}), ShapeError);
  const Tensor narrow = unwritten(stream, {8, 3, 3, 4}, DType::kBF16);
  EXPECT_THROW(conv_backward_weight(stream, {x, y, narrow, nullptr, {.kernel = 3}}), ShapeError);
}

INSTANTIATE_ON_BACKENDS(ConvTest);

}  // namespace
}  // namespace boxcar::kernels
