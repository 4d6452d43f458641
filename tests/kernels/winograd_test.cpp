#include "boxcar/kernels/conv/winograd.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/simd.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::random_values;
using test::tensor_of;
using test::unwritten;

struct Case {
  const char* name;
  Shape x;
  int out, padding, stride = 1;
  DType type = DType::kF32;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const std::vector<Case> kCases = {
    {"one_pixel", {1, 1, 1, 16}, 16, 1},
    {"one_tile", {1, 4, 4, 16}, 32, 1},
    {"less_than_tiles", {2, 7, 9, 32}, 16, 1},
    {"one_row", {1, 1, 23, 16}, 48, 1},
    {"no_padding", {1, 9, 14, 48}, 16, 0},
    {"padding_2", {1, 5, 6, 16}, 16, 2},
    {"more_channels_than_go_at_once", {1, 6, 5, 272}, 144, 1},
    {"more_tiles_than_go_at_once", {3, 41, 38, 16}, 16, 1},
    {"stride_one_pixel", {1, 1, 1, 16}, 16, 1, 2},
    {"stride_one_tile", {1, 8, 8, 16}, 32, 1, 2},
    {"stride_less_than_tiles", {2, 11, 14, 32}, 16, 1, 2},
    {"stride_one_column", {1, 29, 1, 16}, 48, 1, 2},
    {"stride_more_channels_than_go_at_once", {1, 9, 6, 144}, 272, 1, 2},
    {"stride_more_tiles_than_go_at_once", {3, 70, 81, 16}, 16, 1, 2},
    {"bf16_one_pixel", {1, 1, 1, 16}, 16, 1, 1, DType::kBF16},
    {"bf16_less_than_tiles", {2, 7, 9, 32}, 16, 1, 1, DType::kBF16},
    {"bf16_padding_2", {1, 5, 6, 16}, 16, 2, 1, DType::kBF16},
    {"bf16_more_channels_than_go_at_once", {1, 6, 5, 272}, 144, 1, 1, DType::kBF16},
    {"bf16_more_tiles_than_go_at_once", {3, 41, 38, 16}, 16, 1, 1, DType::kBF16},
};

// The direct sums in double, each with the sum of its terms' magnitudes, to which rounding is relative.
struct Sums {
  std::vector<double> value, magnitude;
  explicit Sums(std::int64_t count) : value(static_cast<std::size_t>(count)), magnitude(value.size()) {}
  void add(std::int64_t at, double term) {
    value[static_cast<std::size_t>(at)] += term;
    magnitude[static_cast<std::size_t>(at)] += std::abs(term);
  }
};

class Winograd : public testing::TestWithParam<Case> {
 protected:
  const Case& c() const { return GetParam(); }
  ConvOptions options() const { return {.kernel = 3, .stride = c().stride, .padding = c().padding}; }
  Shape y_shape() const { return conv_output_shape(c().x, c().out, options()); }
  Shape w_shape() const { return conv_weight_shape(c().x.c, c().out, options()); }

  // Activations are numbers that their type holds; weights are rounded to it by who takes them.
  std::vector<float> x_ = rounded(random_values(GetParam().x.count(), 1)), w_ = random_values(w_shape().count(), 2),
                     rounded_w_ = rounded(w_), dy_ = rounded(random_values(y_shape().count(), 3)),
                     bias_ = random_values(GetParam().out, 4);

  static std::vector<float> rounded(std::vector<float> values) {
    return test::rounded_to(GetParam().type, std::move(values));
  }
  Tensor activations(Stream& stream, Shape shape, const std::vector<float>& values) const {
    return tensor_of(stream, shape, values, c().type);
  }

  // Calls f(index into y, into x, into w) for every product of the convolution.
  template <class F>
  void for_products(F&& f) const {
    const Shape x = c().x, y = y_shape();
    for (std::int64_t p = 0; p < y.count() / y.c; ++p) {
      const auto n = p / (y.h * y.w), oy = p / y.w % y.h, ox = p % y.w;
      for (std::int64_t tap = 0; tap < 9; ++tap) {
        const auto row = oy * c().stride - c().padding + tap / 3, column = ox * c().stride - c().padding + tap % 3;
        if (row < 0 || row >= x.h || column < 0 || column >= x.w) continue;
        const auto pixel = (n * x.h + row) * x.w + column;
        for (std::int64_t o = 0; o < y.c; ++o) {
          for (std::int64_t i = 0; i < x.c; ++i) f(p * y.c + o, pixel * x.c + i, (o * 9 + tap) * x.c + i);
        }
      }
    }
  }

  static double at(const std::vector<float>& v, std::int64_t i) { return v[static_cast<std::size_t>(i)]; }

  // Each of the transforms' sums and products rounds to 2^-24 of numbers a few times those of the terms; a result of
  // bf16 to half of 2^-7.
  static void expect_near(const std::vector<float>& got, const Sums& want, DType type) {
    ASSERT_EQ(got.size(), want.value.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double result = type == DType::kBF16 ? std::abs(want.value[i]) / 256 : 0;
      ASSERT_NEAR(got[i], want.value[i], 4e-6 * want.magnitude[i] + result) << i;
    }
  }

  template <class Run>
  std::vector<float> on_threads(int threads, Run&& run) const {
    Stream stream(Device::cpu(), {.threads = threads});
    return run(stream).to_host(stream);
  }
  // The bits are the same whatever the threads.
  template <class Run>
  std::vector<float> result(Run&& run) const {
    const std::vector<float> one = on_threads(1, run);
    EXPECT_EQ(on_threads(3, run), one);
    return one;
  }
};

TEST_P(Winograd, Forward) {
  Sums want(y_shape().count());
  for_products([&](auto y, auto x, auto w) { want.add(y, at(x_, x) * at(rounded_w_, w)); });
  for (std::int64_t i = 0; i < y_shape().count(); ++i) want.add(i, at(bias_, i % c().out));
  test::on_every_target([&] {
    expect_near(result([&](Stream& stream) {
                  const Tensor y = unwritten(stream, y_shape(), c().type);
                  cpu::winograd_forward(stream, {activations(stream, c().x, x_), tensor_of(stream, w_shape(), w_),
                                                 bias_.data(), y, options()});
                  return y;
                }),
                want, c().type);
  });
}

TEST_P(Winograd, BackwardInput) {
  Sums want(c().x.count());
  for_products([&](auto y, auto x, auto w) { want.add(x, at(dy_, y) * at(rounded_w_, w)); });
  test::on_every_target([&] {
    expect_near(result([&](Stream& stream) {
                  const Tensor dx = unwritten(stream, c().x, c().type);
                  cpu::winograd_backward_input(
                      stream, {activations(stream, y_shape(), dy_), tensor_of(stream, w_shape(), w_), dx, options()});
                  return dx;
                }),
                want, c().type);
  });
}

TEST_P(Winograd, BackwardWeightWrittenAndAdded) {
  Sums want(w_shape().count());
  for_products([&](auto y, auto x, auto w) { want.add(w, at(dy_, y) * at(x_, x)); });
  const auto backward = [&](Stream& stream, const Tensor& dw, GradMode mode) {
    cpu::winograd_backward_weight(
        stream, {activations(stream, c().x, x_), activations(stream, y_shape(), dy_), dw, nullptr, options(), mode});
    return dw;
  };
  test::on_every_target([&] {
    expect_near(
        result([&](Stream& stream) { return backward(stream, unwritten(stream, w_shape()), GradMode::kOverwrite); }),
        want, DType::kF32);
    Sums sum = want;
    for (std::int64_t i = 0; i < w_shape().count(); ++i) sum.add(i, at(w_, i));
    expect_near(
        result([&](Stream& stream) { return backward(stream, tensor_of(stream, w_shape(), w_), GradMode::kAdd); }), sum,
        DType::kF32);
  });
}

TEST_P(Winograd, AppliesTheActivation) {
  for (const ActKind kind : {ActKind::kRelu, ActKind::kSilu}) {
    const auto forward = [&](DType type, Act act) {
      return on_threads(2, [&](Stream& stream) {
        const Tensor y = unwritten(stream, y_shape(), type);
        cpu::winograd_forward(stream, {tensor_of(stream, c().x, x_, type), tensor_of(stream, w_shape(), rounded_w_),
                                       bias_.data(), y, options(), act});
        return y;
      });
    };
    const std::vector<float> linear = forward(DType::kF32, {}), activated = forward(c().type, {kind});
    const float rounding = c().type == DType::kBF16 ? 1.0f / 256 : 1e-6f;
    for (std::size_t i = 0; i < linear.size(); ++i) {
      const float want = activate(Act{kind}, linear[i]);
      ASSERT_NEAR(activated[i], want, rounding * std::abs(want) + 1e-30f) << i;
    }
  }
}

TEST_P(Winograd, KeptFiltersGiveTheSameBitsAtEverySize) {
  Stream stream;
  ConvWeightCache cache;
  const Tensor w = tensor_of(stream, w_shape(), w_);
  const std::pair<int, DType> calls[] = {{0, c().type}, {5, c().type}, {0, DType::kF32}, {0, c().type}};
  for (const auto& [more, type] : calls) {
    const Shape shape{c().x.n, c().x.h + more, c().x.w + more, c().x.c};
    const Tensor x = tensor_of(stream, shape, random_values(shape.count(), 5), type);
    const Tensor kept = unwritten(stream, conv_output_shape(shape, c().out, options()), type),
                 fresh = unwritten(stream, kept.shape(), type);
    cpu::winograd_forward(stream, {x, w, bias_.data(), kept, options(), {}, &cache});
    cpu::winograd_forward(stream, {x, w, bias_.data(), fresh, options()});
    EXPECT_EQ(kept.to_host(stream), fresh.to_host(stream));
  }
  EXPECT_TRUE(cache.own);
}

INSTANTIATE_TEST_SUITE_P(Cases, Winograd, testing::ValuesIn(kCases), [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace boxcar::kernels
