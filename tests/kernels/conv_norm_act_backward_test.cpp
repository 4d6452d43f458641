#include "boxcar/kernels/conv/conv_norm_act_backward.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "boxcar/runtime/base/error.h"
#include "support/simd.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::random_values;
using test::slice_of;
using test::tensor_of;
using test::unwritten;

struct Case {
  const char* name;
  Shape x;
  int out;
  ActKind act = ActKind::kSilu;
  int pieces = 1;
  bool batch_stats = true;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const std::vector<Case> kCases = {
    {"one_pixel", {1, 1, 1, 16}, 16},
    {"few_pixels", {2, 5, 7, 32}, 48},
    {"relu", {1, 9, 3, 48}, 16, ActKind::kRelu},
    {"identity", {1, 6, 6, 16}, 32, ActKind::kIdentity},
    {"two_pieces", {1, 6, 11, 64}, 32, ActKind::kSilu, 2},
    {"four_pieces", {2, 4, 9, 16}, 64, ActKind::kSilu, 4},
    {"running_statistics", {1, 7, 8, 32}, 32, ActKind::kSilu, 1, false},
    {"many_blocks", {3, 47, 23, 16}, 80},
};

// All results: dx, dw, dgamma, dbeta.
using Results = std::vector<std::vector<float>>;

class ConvNormActBackward : public testing::TestWithParam<Case> {
 protected:
  const Case& c() const { return GetParam(); }
  Shape y_shape() const { return {c().x.n, c().x.h, c().x.w, c().out}; }
  Shape w_shape() const { return {c().out, 1, 1, c().x.c}; }

  // What both ways are given. Pieces overlap; but the first they are slices of wider tensors.
  struct Given {
    Tensor x, w, z;
    std::vector<Tensor> pieces;
    GradPieces from;
    std::vector<float> gamma, beta, mean, var, saved;
    Norm norm;
  };
  Given given(Stream& stream) const {
    const auto channels = static_cast<std::size_t>(c().out);
    Given g{tensor_of(stream, c().x, random_values(c().x.count(), 1)),
            tensor_of(stream, w_shape(), random_values(w_shape().count(), 2)),
            tensor_of(stream, y_shape(), random_values(y_shape().count(), 3)),
            {},
            {},
            random_values(c().out, 4),
            random_values(c().out, 5),
            std::vector<float>(channels, 0.1f),
            std::vector<float>(channels, 2.0f),
            random_values(2 * c().out, 6),
            {}};
    for (int p = 0; p < c().pieces; ++p) {
      const Range of{p * 4, c().out - p * 8};
      const Shape shape{c().x.n, c().x.h, c().x.w, of.count};
      const std::vector<float> values = random_values(shape.count(), 7 + static_cast<unsigned>(p));
      g.pieces.push_back(p == 0 ? tensor_of(stream, shape, values)
                                : slice_of(stream, shape, values, DType::kF32, 3, of.count + 5));
      g.from.push_back({of, g.pieces.back()});
    }
    return g;
  }
  NormActBackwardArgs norm_args(Given& g, float* dgamma, float* dbeta) const {
    g.norm = {g.gamma.data(), g.beta.data(), g.mean.data(), g.var.data()};
    g.norm.batch_stats = c().batch_stats;
    return {g.z, g.norm, g.saved.data(), {c().act}, g.from, {}, dgamma, dbeta, GradMode::kAdd};
  }

  Results fused(int threads) const {
    Stream stream(Device::cpu(), {.threads = threads});
    Given g = given(stream);
    const Tensor dx = unwritten(stream, c().x), dw = tensor_of(stream, w_shape(), old_w_);
    std::vector<float> dgamma(static_cast<std::size_t>(c().out), 1.0f), dbeta = dgamma;
    ConvNormActBackwardArgs args{
        norm_args(g, dgamma.data(), dbeta.data()), g.x, g.w, {}, dx.view(), dw.view(), GradMode::kAdd};
    EXPECT_TRUE(can_fuse_backward(stream, args));
    conv_norm_act_backward(stream, args);
    return {dx.to_host(stream), dw.to_host(stream), dgamma, dbeta};
  }

  // The three ops one after the other, products in double.
  Results separate() const {
    Stream stream;
    Given g = given(stream);
    const Tensor dz = unwritten(stream, y_shape());
    std::vector<float> dgamma(static_cast<std::size_t>(c().out), 1.0f), dbeta = dgamma;
    NormActBackwardArgs norm = norm_args(g, dgamma.data(), dbeta.data());
    norm.dz = dz;
    norm_act_backward(stream, norm);
    const std::vector<float> z = dz.to_host(stream), x = g.x.to_host(stream), w = g.w.to_host(stream);
    const auto in = static_cast<std::size_t>(c().x.c), out = static_cast<std::size_t>(c().out);
    std::vector<double> dx(x.size()), dw(old_w_.begin(), old_w_.end());
    for (std::size_t p = 0; p < z.size() / out; ++p) {
      for (std::size_t o = 0; o < out; ++o) {
        for (std::size_t i = 0; i < in; ++i) {
          dx[p * in + i] += double{z[p * out + o]} * w[o * in + i];
          dw[o * in + i] += double{z[p * out + o]} * x[p * in + i];
        }
      }
    }
    return {{dx.begin(), dx.end()}, {dw.begin(), dw.end()}, dgamma, dbeta};
  }

  std::vector<float> old_w_ = random_values(w_shape().count(), 9);
};

// Sums of up to a few thousand products of a few units each, whose roundings add up like a random walk.
TEST_P(ConvNormActBackward, EqualsTheThreeOps) {
  const Results want = separate();
  test::on_every_target([&] {
    const Results got = fused(1);
    EXPECT_EQ(fused(3), got) << "threads change bits";
    for (std::size_t r = 0; r < want.size(); ++r) {
      ASSERT_EQ(got[r].size(), want[r].size());
      float largest = 0;
      for (const float v : want[r]) largest = std::max(largest, std::abs(v));
      for (std::size_t i = 0; i < want[r].size(); ++i) {
        ASSERT_NEAR(got[r][i], want[r][i], 3e-6f * largest) << "result " << r << " element " << i;
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Cases, ConvNormActBackward, testing::ValuesIn(kCases),
                         [](const auto& each) { return each.param.name; });

class ConvNormActBackwardChecks : public testing::Test {
 protected:
  Stream stream_;
  std::vector<float> ones_ = std::vector<float>(32, 1.0f), grads_ = ones_;
  Tensor x_ = Tensor::zeros(stream_, {1, 2, 2, 16}), z_ = Tensor::zeros(stream_, {1, 2, 2, 16});
  Tensor w_ = Tensor::zeros(stream_, {16, 1, 1, 16}), out_ = Tensor::zeros(stream_, {1, 2, 2, 16});

  ConvNormActBackwardArgs args() {
    const Norm norm{ones_.data(), ones_.data(), ones_.data(), ones_.data()};
    return {
        {z_, norm, ones_.data(), {ActKind::kSilu}, {{{0, 16}, out_}}, {}, grads_.data(), grads_.data()}, x_, w_, {}};
  }
};

TEST_F(ConvNormActBackwardChecks, EitherGradientCanBeLeftOut) {
  ConvNormActBackwardArgs neither = args();
  EXPECT_NO_THROW(conv_norm_act_backward(stream_, neither));
  const Tensor dx = unwritten(stream_, x_.shape());
  ConvNormActBackwardArgs input = args();
  input.dx = dx;
  conv_norm_act_backward(stream_, input);
  EXPECT_EQ(dx.to_host(stream_), std::vector<float>(64, 0.0f));
}

TEST_F(ConvNormActBackwardChecks, MovesThreeTimesDzLessThanTheThreeOps) {
  ConvNormActBackwardArgs all = args();
  all.dx = x_;
  all.dw = w_;
  NormActBackwardArgs norm = all.norm;
  norm.dz = z_;
  const OpCost fused = cost_of(all), first = cost_of(norm), input = cost_of(ConvBackwardInputArgs{z_, w_, x_, {}}),
               weight = cost_of(ConvBackwardWeightArgs{x_, z_, w_, nullptr, {}});
  EXPECT_EQ(fused.bytes + 3 * 64 * 4, first.bytes + input.bytes + weight.bytes);
  EXPECT_EQ(fused.flops, input.flops + weight.flops);
}

TEST_F(ConvNormActBackwardChecks, WhatItDoesNotFuseIsRefused) {
  ConvNormActBackwardArgs other = args();
  other.norm.act = {ActKind::kGelu};
  EXPECT_FALSE(can_fuse_backward(stream_, other));
  EXPECT_THROW(conv_norm_act_backward(stream_, other), ShapeError);
  Stream dry(Device::cpu(), {.dry_run = true});
  EXPECT_FALSE(can_fuse_backward(dry, args()));
}

TEST_F(ConvNormActBackwardChecks, ShapesThatDoNotFitAreRefused) {
  const Tensor wrong = Tensor::zeros(stream_, {1, 2, 3, 16}), wide = Tensor::zeros(stream_, {32, 1, 1, 16});
  for (const auto& spoil : std::vector<std::function<void(ConvNormActBackwardArgs&)>>{
           [&](auto& a) { a.x = wrong; }, [&](auto& a) { a.w = wide; }, [&](auto& a) { a.dx = wrong; },
           [&](auto& a) { a.dw = wide; }, [&](auto& a) { a.norm.from[0].from = wrong; }}) {
    ConvNormActBackwardArgs spoilt = args();
    spoil(spoilt);
    EXPECT_THROW(conv_norm_act_backward(stream_, spoilt), ShapeError);
  }
}

}  // namespace
}  // namespace boxcar::kernels
