// Statistics of a batch that conv_forward() makes of its result, in each of its kernels.
#include <gtest/gtest.h>

#include <cmath>
#include <span>

#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/kernels/conv/conv.h"
#include "boxcar/runtime/base/error.h"
#include "kernels/norm_act_reference.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::append;
using test::random_values;
using test::slice_of;
using test::tensor_of;
using test::unwritten;

constexpr DType kF32 = DType::kF32, kBF16 = DType::kBF16;

struct Case {
  const char* name;
  Shape x;
  int out;
  ConvOptions options;
  DType dtype = kF32;
  float mean = 0;           // of x
  bool sliced = false;      // x is a channel range of a wider tensor; depthwise only
  bool f32_result = false;  // of x in bf16
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

constexpr ConvOptions kSame{.kernel = 3, .padding = 1};
ConvOptions depthwise(int channels, ConvOptions options) {
  options.groups = channels;
  return options;
}

// Far from zero: means of 300 to 600 deviations. Squares around 0 would leave three digits of the variance at the most;
// that a tile's mean is rounded to f32 costs less than what is allowed.
const std::vector<Case> kCases = {
    // Tiles of 32 x 32, 128 x 32 and 128 x 64; of bf16 through tensor cores.
    {"two_values", {1, 1, 2, 1}, 1, {}},
    {"one_tile", {1, 4, 5, 8}, 16, kSame},
    {"odd_channels", {1, 11, 9, 13}, 70, {}},
    {"one_row_in_the_last_tile", {1, 13, 5, 6}, 33, kSame},
    {"narrow", {1, 91, 91, 4}, 8, {}},
    {"large", {1, 91, 91, 4}, 40, {}},
    {"groups", {2, 6, 5, 9}, 15, {.kernel = 3, .padding = 1, .groups = 3}},
    {"groups_of_a_tile_each", {1, 10, 7, 8}, 64, {.groups = 2}},
    {"far_from_zero", {1, 23, 21, 4}, 8, {}, kF32, 500.0f},
    {"large_far_from_zero", {1, 91, 91, 4}, 40, {}, kF32, 500.0f},
    {"border_far_from_the_rest", {1, 23, 21, 4}, 8, kSame, kF32, 1000.0f},
    {"one_tile_bf16", {1, 4, 5, 8}, 16, kSame, kBF16},
    {"odd_channels_bf16", {1, 11, 9, 13}, 35, {}, kBF16},
    {"narrow_bf16", {1, 91, 91, 8}, 8, {}, kBF16},
    {"large_bf16", {1, 91, 91, 8}, 40, {}, kBF16},
    {"f32_of_bf16", {1, 11, 9, 16}, 24, {}, kBF16, 0, false, true},
    {"far_from_zero_bf16", {1, 23, 21, 8}, 8, {}, kBF16, 300.0f},
    // Images of three channels.
    {"stem", {1, 17, 10, 3}, 19, kSame},
    {"stem_many_blocks", {2, 70, 66, 3}, 16, {.kernel = 3, .stride = 2, .padding = 1}},
    {"stem_far_from_zero", {1, 37, 30, 3}, 16, {.kernel = 3}, kF32, 200.0f},
    {"stem_border_far_from_the_rest", {1, 37, 30, 3}, 16, kSame, kF32, 1000.0f},
    {"stem_bf16", {1, 33, 30, 3}, 16, {.kernel = 3, .stride = 2, .padding = 1}, kBF16},
    // Depthwise: 3x3 in strips, and all else.
    {"depthwise", {2, 5, 7, 16}, 16, depthwise(16, kSame)},
    {"depthwise_slice", {1, 6, 5, 7}, 7, depthwise(7, kSame), kF32, 0, true},
    {"depthwise_two_values", {2, 1, 1, 33}, 33, depthwise(33, kSame)},
    {"depthwise_many_blocks", {2, 60, 61, 3}, 3, depthwise(3, kSame)},
    {"depthwise_many_channels", {1, 4, 5, 200}, 200, depthwise(200, kSame)},
    {"depthwise_far_from_zero", {1, 40, 38, 4}, 4, depthwise(4, {.kernel = 3}), kF32, 200.0f},
    {"depthwise_k5_far_from_zero", {1, 40, 38, 4}, 4, depthwise(4, {.kernel = 5}), kF32, 200.0f},
    {"depthwise_bf16", {1, 16, 15, 24}, 24, depthwise(24, kSame), kBF16},
    {"depthwise_fours_bf16", {1, 6, 7, 12}, 12, depthwise(12, kSame), kBF16, 0, true},
    {"depthwise_k5", {1, 9, 8, 6}, 6, depthwise(6, {.kernel = 5, .padding = 2})},
    {"depthwise_stride", {1, 90, 88, 5}, 5, depthwise(5, {.kernel = 3, .stride = 2, .padding = 1})},
    {"depthwise_k5_bf16", {1, 9, 8, 16}, 16, depthwise(16, {.kernel = 5, .padding = 2}), kBF16},
};

bool is_depthwise(const Case& c) { return c.options.groups == c.x.c && c.out == c.x.c && c.x.c > 1; }

std::vector<float> positive_values(std::int64_t count, unsigned seed) {
  std::vector<float> values = random_values(count, seed);
  for (float& v : values) v = 0.5f + std::abs(v);
  return values;
}

// What a convolution hands on to batch normalisation.
struct Statistics {
  std::vector<float> mean, rstd, running_mean, running_var;
};

class ConvStatistics : public testing::TestWithParam<std::tuple<Device, Case>> {
 protected:
  Device device() const { return std::get<0>(GetParam()); }
  const Case& test_case() const { return std::get<1>(GetParam()); }
  Shape y_shape() const { return conv_output_shape(test_case().x, test_case().out, test_case().options); }
  DType y_dtype() const { return test_case().f32_result ? kF32 : test_case().dtype; }

  void SetUp() override {
    const Case& c = test_case();
    if (!device().is_cuda() && c.dtype == kBF16 && !is_depthwise(c) && !cpu_has_bf16()) {
      GTEST_SKIP() << "this CPU has no bf16 convolutions";
    }
    x_ = random_values(c.x.count(), 1);
    for (float& v : x_) v += c.mean;
    // Weights of one sign where the mean counts, so that no channel's mean is near zero.
    const std::int64_t weights = conv_weight_shape(c.x.c, c.out, c.options).count();
    w_ = c.mean != 0 ? positive_values(weights, 2) : random_values(weights, 2);
    running_mean_ = random_values(c.out, 3);
    running_var_ = positive_values(c.out, 4);
  }

  // The CPU's sums, the library's, need not have the same bits for every number of threads.
  std::vector<float> run(const test::Run& run) const {
    if (device().is_cuda()) return test::run_on(device(), run);
    Stream stream;
    return run(stream);
  }

  Tensor vector_of(Stream& s, const std::vector<float>& values) const {
    return tensor_of(s, {1, 1, 1, static_cast<int>(values.size())}, values);
  }

  // y [pixels, C], then mean, rstd, running mean and running variance [C] each.
  std::vector<float> convolve(Stream& s, bool in_a_pass_of_their_own) const {
    const Case& c = test_case();
    const Tensor x = c.sliced ? slice_of(s, c.x, x_, c.dtype, 4, c.x.c + 8) : tensor_of(s, c.x, x_, c.dtype);
    const Tensor w = tensor_of(s, conv_weight_shape(c.x.c, c.out, c.options), w_);
    const Tensor y = unwritten(s, y_shape(), y_dtype()), mean_rstd = unwritten(s, {1, 1, 2, c.out});
    const Tensor running_mean = vector_of(s, running_mean_), running_var = vector_of(s, running_var_);
    const BatchStatistics statistics{mean_rstd.as(), running_mean.as(), running_var.as()};
    ConvForwardArgs args{.x = x, .w = w, .y = y, .options = c.options};
    if (!in_a_pass_of_their_own) args.statistics = statistics;
    conv_forward(s, args);
    if (in_a_pass_of_their_own) batch_statistics(s, {y, statistics});
    std::vector<float> all = y.to_host(s);
    for (const Tensor& t : {mean_rstd, running_mean, running_var}) append(all, t.to_host(s));
    return all;
  }

  std::size_t values() const { return static_cast<std::size_t>(y_shape().count()); }
  Statistics statistics_of(const std::vector<float>& all) const {
    const auto channels = static_cast<std::size_t>(test_case().out);
    const auto part = [&](std::size_t i) {
      const auto first = all.begin() + static_cast<std::ptrdiff_t>(values() + i * channels);
      return std::vector<float>(first, first + static_cast<std::ptrdiff_t>(channels));
    };
    return {part(0), part(1), part(2), part(3)};
  }

  std::vector<float> x_, w_, running_mean_, running_var_;
};

template <class Wanted>
void expect_near(const char* what, const std::vector<float>& got, const std::vector<Wanted>& want, double relative,
                 double absolute) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double most = relative * std::abs(double(want[i])) + absolute;
    ASSERT_TRUE(std::abs(got[i] - double(want[i])) <= most)
        << what << ": " << got[i] << " for " << want[i] << " at " << i;
  }
}

// rounded: how many of the two are rounded at all.
template <class Wanted>
void expect_statistics(const Statistics& got, const Wanted& want, int rounded) {
  expect_near("mean", got.mean, want.mean, rounded * 2e-6, rounded * 2e-6);
  // Squares of distances from one of a tile's at most 128 values: at the worst as if there were 128 times as many.
  expect_near("rstd", got.rstd, want.rstd, rounded * 1e-5, 0);
  expect_near("running mean", got.running_mean, want.running_mean, rounded * 2e-6, rounded * 2e-6);
  expect_near("running var", got.running_var, want.running_var, rounded * 2e-5, 0);
}

TEST_P(ConvStatistics, AreThoseOfTheStoredResultInDouble) {
  const std::vector<float> got = run([&](Stream& s) { return convolve(s, false); });
  const std::vector<float> y(got.begin(), got.begin() + static_cast<std::ptrdiff_t>(values()));
  const std::vector<float> ones(static_cast<std::size_t>(test_case().out), 1.0f);
  test::NormActReference reference(y_shape().pixels(), test_case().out, {}, true);
  reference.set_norm(y, ones, ones, running_mean_, running_var_);
  const struct {
    std::vector<double> mean, rstd, running_mean, running_var;
  } want{reference.mean(), reference.rstd(), reference.running_mean(), reference.running_var()};
  expect_statistics(statistics_of(got), want, 1);
}

TEST_P(ConvStatistics, LeaveTheResultAsItIsAndEqualAPassOfTheirOwn) {
  Stream stream(device());
  const std::vector<float> got = convolve(stream, false), want = convolve(stream, true);
  EXPECT_TRUE(std::equal(got.begin(), got.begin() + static_cast<std::ptrdiff_t>(values()), want.begin()));
  expect_statistics(statistics_of(got), statistics_of(want), 2);
  EXPECT_EQ(convolve(stream, false), got) << "something was left behind by the call before";
}

INSTANTIATE_TEST_SUITE_P(Cases, ConvStatistics,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::ValuesIn(kCases)),
                         [](const auto& each) {
                           const bool cuda = std::get<0>(each.param).is_cuda();
                           return std::string(cuda ? "cuda_" : "cpu_") + std::get<1>(each.param).name;
                         });

class ConvStatisticsChecks : public test::BackendTest {};

TEST_P(ConvStatisticsChecks, OfOneValueAreRefused) {
  const Tensor x = unwritten(stream(), {1, 1, 1, 4}), w = unwritten(stream(), {8, 1, 1, 4});
  const Tensor y = unwritten(stream(), {1, 1, 1, 8}), saved = unwritten(stream(), {1, 1, 2, 8});
  const ConvForwardArgs args{.x = x, .w = w, .y = y, .options = {}, .statistics = {saved.as()}};
  EXPECT_THROW(conv_forward(stream(), args), ShapeError);
}

TEST_P(ConvStatisticsChecks, OfNoImagesAreNotWritten) {
  const Tensor x = unwritten(stream(), {0, 4, 4, 4}), w = unwritten(stream(), {2, 1, 1, 4});
  const Tensor y = unwritten(stream(), {0, 4, 4, 2}), saved = tensor_of(stream(), {1, 1, 2, 2}, {1, 2, 3, 4});
  conv_forward(stream(), {.x = x, .w = w, .y = y, .options = {}, .statistics = {saved.as()}});
  EXPECT_EQ(saved.to_host(stream()), (std::vector<float>{1, 2, 3, 4}));
}

TEST_P(ConvStatisticsChecks, WithoutRunningOnesNoneAreUpdatedAndAConstantHasVarianceZero) {
  const Tensor x = tensor_of(stream(), {1, 9, 17, 4}, std::vector<float>(612, 0.1f));
  const Tensor w = tensor_of(stream(), {3, 1, 1, 4}, {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0});
  const Tensor y = unwritten(stream(), {1, 9, 17, 3}), saved = unwritten(stream(), {1, 1, 2, 3});
  conv_forward(stream(),
               {.x = x, .w = w, .y = y, .options = {}, .statistics = {.mean_rstd = saved.as(), .eps = 0.25f}});
  const auto statistics = saved.to_host(stream());
  EXPECT_NEAR(statistics[1], 0.1f, 1e-7);
  EXPECT_NEAR(statistics[4], 2, 1e-5);
}

TEST_P(ConvStatisticsChecks, NanStaysInItsChannel) {
  std::vector<float> values = random_values(160, 1);
  values[4 * 33 + 2] = std::nanf("");
  const Tensor x = tensor_of(stream(), {1, 1, 40, 4}, values),
               filters = tensor_of(stream(), {1, 1, 1, 4}, {1, 2, 3, 4});
  const Tensor y = unwritten(stream(), {1, 1, 40, 4}), saved = unwritten(stream(), {1, 1, 2, 4});
  conv_forward(stream(), {.x = x, .w = filters, .y = y, .options = {.groups = 4}, .statistics = {saved.as()}});
  const auto statistics = saved.to_host(stream());
  for (std::size_t i = 0; i < statistics.size(); ++i) EXPECT_EQ(std::isnan(statistics[i]), i % 4 == 2) << i;
}

INSTANTIATE_ON_BACKENDS(ConvStatisticsChecks);

}  // namespace
}  // namespace boxcar::kernels
