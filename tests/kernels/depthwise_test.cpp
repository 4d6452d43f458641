#include <gtest/gtest.h>

#include <tuple>

#include "boxcar/kernels/conv/conv.h"
#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::append;
using test::inner;
using test::run_on;
using test::slice_of;
using test::tensor_of;
using test::unwritten;
using test::whole_values;

struct Case {
  const char* name;
  Shape x;
  ConvOptions options;  // groups: the channels
  DType dtype = DType::kF32;
  int first = 0, more = 0;  // x is channels from `first` on of a tensor with `more` channels
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

constexpr ConvOptions kSame{.kernel = 3, .padding = 1};
const std::vector<Case> kCases = {
    {"k3", {2, 5, 7, 16}, kSame},
    {"k3_slice", {2, 5, 7, 8}, kSame, DType::kF32, 4, 12},
    {"k3_odd_slice", {1, 6, 5, 7}, kSame, DType::kF32, 3, 5},
    {"k3_pairs", {1, 4, 4, 6}, kSame, DType::kF32, 2, 4},
    {"k3_one_pixel", {2, 1, 1, 33}, kSame},
    {"k3_one_column", {1, 5, 1, 4}, kSame},
    {"k3_wide_padding", {1, 3, 4, 4}, {.kernel = 3, .padding = 2}},
    {"k3_wider_padding", {1, 3, 4, 4}, {.kernel = 3, .padding = 3}},
    {"k3_no_padding", {1, 4, 6, 8}, {.kernel = 3}},
    {"k3_stride", {1, 6, 5, 7}, {.kernel = 3, .stride = 2, .padding = 1}, DType::kF32, 3, 5},
    {"k3_dilated", {1, 8, 9, 9}, {.kernel = 3, .padding = 2, .dilation = 2}},
    {"k3_many_channels", {1, 3, 3, 272}, kSame},
    {"k3_many_pixels", {2, 24, 20, 2}, kSame},
    {"k1", {1, 3, 3, 4}, {}},
    {"k2_stride", {1, 5, 4, 4}, {.kernel = 2, .stride = 2}},
    {"k5", {1, 7, 7, 12}, {.kernel = 5, .padding = 2}},
    {"k7", {1, 8, 7, 5}, {.kernel = 7, .padding = 3}, DType::kF32, 3, 5},
    {"k3_bf16_eights", {1, 6, 7, 16}, kSame, DType::kBF16, 8, 16},
    {"k3_bf16_fours", {1, 4, 5, 12}, kSame, DType::kBF16, 4, 8},
    {"k3_bf16_pairs", {1, 4, 3, 6}, kSame, DType::kBF16, 2, 4},
    {"k3_bf16_odd", {1, 6, 7, 9}, {.kernel = 3, .stride = 2, .padding = 1}, DType::kBF16, 1, 2},
    {"k5_bf16", {1, 5, 5, 16}, {.kernel = 5, .padding = 2}, DType::kBF16},
};

// f32: sums of at most 49 products of 4 * 4, and of 960 for a weight. bf16: of at most 25 products of 1, a bias of 1,
// and in f32 the sums of pixels. All are whole numbers that the types hold: equal to the bit in any order.
class DepthwiseAdjoint : public testing::TestWithParam<std::tuple<Device, Case>> {
 protected:
  Device device() const { return std::get<0>(GetParam()); }
  void SetUp() override {
    case_ = std::get<1>(GetParam());
    case_.options.groups = case_.x.c;
    const int most = case_.dtype == DType::kF32 ? 4 : 1;
    y_shape_ = conv_output_shape(case_.x, case_.x.c, case_.options);
    w_shape_ = conv_weight_shape(case_.x.c, case_.x.c, case_.options);
    x_ = whole_values(case_.x.count(), most, 1);
    w_ = whole_values(w_shape_.count(), most, 2);
    bias_ = whole_values(case_.x.c, most, 3);
    dy_ = whole_values(y_shape_.count(), most, 4);
  }

  Tensor x(Stream& s) const { return slice_of(s, case_.x, x_, case_.dtype, case_.first, case_.x.c + case_.more); }
  Tensor w(Stream& s) const { return tensor_of(s, w_shape_, w_, case_.dtype); }
  Tensor dy(Stream& s) const { return tensor_of(s, y_shape_, dy_, case_.dtype); }
  std::vector<float> forward(bool with_bias) const {
    return run_on(device(), [&](Stream& s) {
      const Tensor y = unwritten(s, y_shape_, case_.dtype), bias = tensor_of(s, {1, 1, 1, case_.x.c}, bias_);
      conv_forward(s, {x(s), w(s), with_bias ? bias.as() : nullptr, y, case_.options});
      return y.to_host(s);
    });
  }

  Case case_;
  Shape y_shape_, w_shape_;
  std::vector<float> x_, w_, bias_, dy_;
};

// The definition, written out: what all else is compared with.
TEST_P(DepthwiseAdjoint, ForwardIsTheSumOverTaps) {
  const ConvOptions& o = case_.options;
  std::vector<float> want;
  for (int n = 0; n < y_shape_.n; ++n) {
    for (int y = 0; y < y_shape_.h; ++y) {
      for (int x = 0; x < y_shape_.w; ++x) {
        for (int c = 0; c < y_shape_.c; ++c) {
          float sum = bias_[c];
          for (int tap = 0; tap < o.kernel * o.kernel; ++tap) {
            const int iy = y * o.stride - o.padding + tap / o.kernel * o.dilation;
            const int ix = x * o.stride - o.padding + tap % o.kernel * o.dilation;
            if (iy < 0 || iy >= case_.x.h || ix < 0 || ix >= case_.x.w) continue;
            sum += x_[((n * case_.x.h + iy) * case_.x.w + ix) * case_.x.c + c] * w_[tap * case_.x.c + c];
          }
          want.push_back(sum);
        }
      }
    }
  }
  EXPECT_EQ(forward(true), want);
}

TEST_P(DepthwiseAdjoint, OfTheInput) {
  const std::vector<float> dx = run_on(device(), [&](Stream& s) {
    const Tensor out = unwritten(s, case_.x, case_.dtype);
    conv_backward_input(s, {dy(s), w(s), out, case_.options});
    return out.to_host(s);
  });
  EXPECT_EQ(inner(dx, x_), inner(dy_, forward(false)));
}

TEST_P(DepthwiseAdjoint, OfTheWeightsAndTheBias) {
  const std::vector<float> old_w = whole_values(w_shape_.count(), 9, 5), old_bias = whole_values(case_.x.c, 9, 6);
  const Shape bias_shape{1, 1, 1, case_.x.c};
  const std::vector<float> all = run_on(device(), [&](Stream& s) {
    const Tensor dw = unwritten(s, w_shape_), dbias = unwritten(s, bias_shape), alone = unwritten(s, w_shape_);
    const Tensor sum_w = tensor_of(s, w_shape_, old_w), sum_bias = tensor_of(s, bias_shape, old_bias);
    conv_backward_weight(s, {x(s), dy(s), dw, dbias.as(), case_.options});
    conv_backward_weight(s, {x(s), dy(s), alone, nullptr, case_.options});
    conv_backward_weight(s, {x(s), dy(s), sum_w, sum_bias.as(), case_.options, GradMode::kAdd});
    std::vector<float> out;
    for (const Tensor& t : {dw, dbias, alone, sum_w, sum_bias}) append(out, t.to_host(s));
    return out;
  });
  auto next = all.begin();
  const auto take = [&](std::size_t count) {
    const auto begin = next;
    return std::vector<float>(begin, next += static_cast<std::ptrdiff_t>(count));
  };
  const auto plus = [](std::vector<float> a, const std::vector<float>& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
    return a;
  };
  const std::vector<float> dw = take(w_.size()), dbias = take(bias_.size()), alone = take(w_.size());
  const std::vector<float> sum_w = take(w_.size()), sum_bias = take(bias_.size());
  EXPECT_EQ(inner(dw, w_) + inner(dbias, bias_), inner(dy_, forward(true)));
  EXPECT_EQ(alone, dw);
  EXPECT_EQ(sum_w, plus(dw, old_w));
  EXPECT_EQ(sum_bias, plus(dbias, old_bias));
}

INSTANTIATE_TEST_SUITE_P(Cases, DepthwiseAdjoint,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::ValuesIn(kCases)),
                         [](const auto& each) {
                           const bool cuda = std::get<0>(each.param).is_cuda();
                           return std::string(cuda ? "cuda_" : "cpu_") + std::get<1>(each.param).name;
                         });

class Depthwise : public test::BackendTest {};

TEST_P(Depthwise, WeightsOfF32AreRoundedToTheTypeOfX) {
  const Shape shape{1, 1, 2, 2};
  const Tensor x = tensor_of(stream(), shape, {1, 2, 3, 4}, DType::kBF16), y = unwritten(stream(), shape, DType::kBF16);
  const Tensor w = tensor_of(stream(), {1, 1, 1, 2}, {1.001f, 2});  // 1.001 is 1 in bf16
  conv_forward(stream(), {x, w, nullptr, y, {.groups = 2}});
  EXPECT_EQ(y.to_host(stream()), (std::vector<float>{1, 4, 3, 8}));
}

TEST_P(Depthwise, OfNoImagesTheGradientIsZero) {
  const Tensor x = unwritten(stream(), {0, 4, 4, 8}), dw = unwritten(stream(), {1, 3, 3, 8});
  conv_backward_weight(stream(), {x, x, dw, nullptr, {.kernel = 3, .padding = 1, .groups = 8}});
  EXPECT_EQ(dw.to_host(stream()), std::vector<float>(72, 0.0f));
}

INSTANTIATE_ON_BACKENDS(Depthwise);

}  // namespace
}  // namespace boxcar::kernels
