// 1x1 convolutions of a map and a smaller one, beside the enlargement, the concat and the convolution of both.
#include "boxcar/kernels/conv/conv_enlarged.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "boxcar/kernels/common/copy.h"
#include "boxcar/kernels/resample/upsample.h"
#include "boxcar/runtime/base/error.h"
#include "support/simd.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::random_values;
using test::slice_of;
using test::tensor_of;
using test::unwritten;
using test::whole_values;

struct Case {
  const char* name;
  Shape small;  // of the smaller map
  int factor;
  int channels;  // of the larger map
  int out;
  bool small_first = true;
  ActKind act = ActKind::kSilu;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const std::vector<Case> kCases = {
    {"one_pixel", {1, 1, 1, 16}, 2, 16, 16},
    {"few_pixels", {2, 3, 5, 32}, 2, 48, 32},
    {"the_small_map_second", {2, 4, 3, 16}, 2, 32, 48, false, ActKind::kRelu},
    {"by_three", {1, 2, 5, 16}, 3, 16, 64, true, ActKind::kIdentity},
    {"the_same_size", {1, 5, 4, 16}, 1, 16, 16},
    {"many_blocks", {3, 23, 17, 32}, 2, 16, 80},
};

class EnlargedConv : public testing::TestWithParam<Case> {
 protected:
  const Case& c() const { return GetParam(); }
  Shape large() const { return {c().small.n, c().small.h * c().factor, c().small.w * c().factor, c().channels}; }
  Shape y() const { return {large().n, large().h, large().w, c().out}; }
  int width() const { return c().small.c + c().channels; }
  int small_at() const { return c().small_first ? 0 : c().channels; }
  int large_at() const { return c().small_first ? c().small.c : 0; }

  // Both maps as slices, the weights of both in one tensor, and what the maps are together.
  struct Given {
    Tensor small, large, w, both;
  };
  Given given(Stream& stream, bool whole) const {
    const auto values = [&](std::int64_t count, unsigned seed) {
      return whole ? whole_values(count, 3, seed) : random_values(count, seed);
    };
    Given g{slice_of(stream, c().small, values(c().small.count(), 1), DType::kF32, 5, c().small.c + 9),
            slice_of(stream, large(), values(large().count(), 2), DType::kF32, 3, c().channels + 4),
            tensor_of(stream, {c().out, 1, 1, width()}, values(std::int64_t{c().out} * width(), 3)),
            unwritten(stream, {large().n, large().h, large().w, width()})};
    const Tensor enlarged = g.both.channels(small_at(), c().small.c);
    upsample_forward(stream, {g.small, {{{0, c().small.c}, enlarged}}, c().factor});
    copy(stream, {g.large, g.both.channels(large_at(), c().channels)});
    return g;
  }
  SmallerMap smaller(const Given& g, const Tensor& w) const {
    return {g.small, w.view().channels(small_at(), c().small.c)};
  }
  TensorView larger_w(const Tensor& w) const { return w.view().channels(large_at(), c().channels); }
};

void expect_near(const std::vector<float>& got, const std::vector<float>& want, const char* what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  float largest = 0;
  for (const float v : want) largest = std::max(largest, std::abs(v));
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], 3e-6f * largest) << what << ", element " << i;
  }
}

TEST_P(EnlargedConv, ForwardIsThatOfBothMapsTogether) {
  test::on_every_target([&] {
    for (const int threads : {1, 3}) {
      Stream stream(Device::cpu(), {.threads = threads});
      const Given g = given(stream, true);
      const Tensor want = unwritten(stream, y()), got = unwritten(stream, y());
      std::vector<float> want_saved(static_cast<std::size_t>(2 * c().out)), got_saved = want_saved;
      conv_forward(stream,
                   {.x = g.both, .w = g.w, .y = want, .options = {}, .statistics = {.mean_rstd = want_saved.data()}});
      enlarged_conv_forward(
          stream,
          {{.x = g.large, .w = larger_w(g.w), .y = got, .options = {}, .statistics = {.mean_rstd = got_saved.data()}},
           smaller(g, g.w)});
      EXPECT_EQ(got.to_host(stream), want.to_host(stream));
      EXPECT_EQ(got_saved, want_saved);
      const Tensor alone = unwritten(stream, y());
      enlarged_conv_forward(stream, {{.x = g.large, .w = larger_w(g.w), .y = alone, .options = {}}, smaller(g, g.w)});
      EXPECT_EQ(alone.to_host(stream), want.to_host(stream));
    }
  });
}

TEST_P(EnlargedConv, InferenceIsThatOfBothMapsTogether) {
  test::on_every_target([&] {
    Stream stream;
    const Given g = given(stream, false);
    const std::vector<float> bias = random_values(c().out, 4);
    const Tensor residual = slice_of(stream, y(), random_values(y().count(), 5), DType::kF32, 1, c().out + 3);
    const Tensor want = unwritten(stream, y());
    conv_act_forward(stream, {.x = g.both,
                              .w = g.w,
                              .bias = bias.data(),
                              .y = y(),
                              .options = {},
                              .act = {c().act},
                              .residual = residual.view(),
                              .to = {{{0, c().out}, want}}});
    ConvWeightCache cache, smaller_cache;
    for (int call = 0; call < 2; ++call) {
      const Tensor wide = unwritten(stream, {y().n, y().h, y().w, c().out + 16});
      const Tensor got = wide.channels(16, c().out);
      enlarged_conv_act_forward(stream, {{.x = g.large,
                                          .w = larger_w(g.w),
                                          .bias = bias.data(),
                                          .y = y(),
                                          .options = {},
                                          .act = {c().act},
                                          .residual = residual.view(),
                                          .to = {{{0, c().out}, got}},
                                          .cache = &cache},
                                         smaller(g, g.w),
                                         &smaller_cache});
      expect_near(got.to_host(stream), want.to_host(stream), "y");
    }
  });
}

class EnlargedConvBackward : public EnlargedConv {
 protected:
  // dx of both maps, dw, dgamma, dbeta.
  using Results = std::array<std::vector<float>, 5>;

  struct NormGiven {
    Tensor z, dy;
    std::vector<float> gamma, beta, mean, var, saved, dgamma, dbeta;
    NormActBackwardArgs args(Act act) {
      const Norm norm{gamma.data(), beta.data(), mean.data(), var.data()};
      return {z, norm, saved.data(), act, {{{0, z.shape().c}, dy}}, {}, dgamma.data(), dbeta.data(), GradMode::kAdd};
    }
  };
  NormGiven norm_given(Stream& stream) const {
    const auto channels = static_cast<std::size_t>(c().out);
    const std::vector<float> ones(channels, 1.0f);
    return {tensor_of(stream, y(), random_values(y().count(), 6)),
            tensor_of(stream, y(), random_values(y().count(), 7)),
            random_values(c().out, 8),
            random_values(c().out, 9),
            ones,
            ones,
            random_values(2 * c().out, 10),
            ones,
            ones};
  }

  Results separate(Stream& stream) const {
    const Given g = given(stream, false);
    NormGiven norm = norm_given(stream);
    const Tensor dw = g.w.clone(stream), dx = unwritten(stream, g.both.shape()), dz = unwritten(stream, y());
    NormActBackwardArgs args = norm.args({c().act});
    args.dz = dz;
    norm_act_backward(stream, args);
    conv_backward_weight(stream, {g.both, dz, dw, nullptr, {}, GradMode::kAdd});
    conv_backward_input(stream, {dz, g.w, dx, {}});
    const Tensor small_dx = unwritten(stream, c().small);
    upsample_backward(stream, {{{{0, c().small.c}, dx.channels(small_at(), c().small.c)}}, small_dx, c().factor});
    return {small_dx.to_host(stream), dx.channels(large_at(), c().channels).to_host(stream), dw.to_host(stream),
            norm.dgamma, norm.dbeta};
  }
  Results in_one(int threads) const {
    Stream stream(Device::cpu(), {.threads = threads});
    const Given g = given(stream, false);
    NormGiven norm = norm_given(stream);
    const Tensor dw = g.w.clone(stream), dx = unwritten(stream, large()), small_dx = unwritten(stream, c().small);
    const SmallerMap grads = smaller(g, dw);
    const ConvNormActBackwardArgs conv{norm.args({c().act}), g.large,       larger_w(g.w), {}, dx.view(),
                                       larger_w(dw),         GradMode::kAdd};
    enlarged_conv_norm_act_backward(stream, {conv, smaller(g, g.w), small_dx.view(), grads.w});
    return {small_dx.to_host(stream), dx.to_host(stream), dw.to_host(stream), norm.dgamma, norm.dbeta};
  }
};

TEST_P(EnlargedConvBackward, IsThatOfTheOpsOneByOne) {
  Stream stream;
  const Results want = separate(stream);
  test::on_every_target([&] {
    const Results got = in_one(1);
    EXPECT_EQ(in_one(3), got) << "threads change bits";
    const char* const names[] = {"the smaller map's dx", "dx", "dw", "dgamma", "dbeta"};
    for (std::size_t i = 0; i < got.size(); ++i) expect_near(got[i], want[i], names[i]);
  });
}

const auto kName = [](const auto& each) { return each.param.name; };
INSTANTIATE_TEST_SUITE_P(Cases, EnlargedConv, testing::ValuesIn(kCases), kName);
INSTANTIATE_TEST_SUITE_P(Cases, EnlargedConvBackward, testing::ValuesIn(kCases), kName);

class EnlargedConvChecks : public testing::Test {
 protected:
  Stream stream_;
  Tensor small_ = Tensor::zeros(stream_, {1, 2, 2, 16}), large_ = Tensor::zeros(stream_, {1, 4, 4, 16});
  Tensor w_ = Tensor::zeros(stream_, {16, 1, 1, 16}), y_ = Tensor::zeros(stream_, {1, 4, 4, 16});
  EnlargedConvForwardArgs args() { return {{.x = large_, .w = w_, .y = y_, .options = {}}, {small_, w_}}; }
};

TEST_F(EnlargedConvChecks, SidesThatDoNotFitAreRefused) {
  EXPECT_NO_THROW(enlarged_conv_forward(stream_, args()));
  for (const Shape shape : {Shape{1, 3, 2, 16}, {1, 2, 3, 16}, {2, 2, 2, 16}, {1, 2, 2, 8}, {1, 8, 8, 16}}) {
    EnlargedConvForwardArgs wrong = args();
    const Tensor small = Tensor::zeros(stream_, shape);
    wrong.smaller.x = small;
    EXPECT_THROW(enlarged_conv_forward(stream_, wrong), ShapeError) << shape.str();
  }
  EnlargedConvForwardArgs wrong = args();
  wrong.conv.options.stride = 2;
  EXPECT_THROW(enlarged_conv_forward(stream_, wrong), ShapeError);
  Stream dry(Device::cpu(), {.dry_run = true});
  EXPECT_THROW(enlarged_conv_forward(dry, args()), ShapeError);
}

TEST_F(EnlargedConvChecks, ProductsOfTheSmallMapAreCountedAtItsSize) {
  EXPECT_EQ(cost_of(args()).flops, 2 * (16 + 4) * 16 * 16);
}

}  // namespace
}  // namespace boxcar::kernels
