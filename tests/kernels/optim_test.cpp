#include "boxcar/kernels/optim/optim.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "boxcar/kernels/optim/muon.h"
#include "boxcar/runtime/base/error.h"
#include "support/golden.h"

namespace boxcar::kernels {
namespace {

std::vector<float> noise(std::size_t count, std::uint32_t state) {
  std::vector<float> v(count);
  for (float& x : v) x = float((state = state * 1664525u + 1013904223u) >> 8) / float(1 << 23) - 1.0f;
  return v;
}

GradientNorm norm_of(const std::vector<float>& g, double max_norm, double scale = 1.0, int threads = 1) {
  Stream stream(Device::cpu(), {.threads = threads});
  GradientNorm result;
  const FlatRange all{0, static_cast<std::int64_t>(g.size())};
  gradient_norm(stream, {g.data(), {&all, 1}, max_norm, scale, &result});
  return result;
}

TEST(GradientNorm, HandWorked) {
  const GradientNorm n = norm_of({3, 0, 4, 0}, 10);
  EXPECT_EQ(n.norm, 5.0);
  EXPECT_EQ(n.factor, 1.0f);
  EXPECT_EQ(n.finite, 1);
  EXPECT_FLOAT_EQ(norm_of({30, 40}, 10).factor, 0.2f);
  EXPECT_EQ(norm_of({30, 40}, 0).factor, 1.0f);
  // The gradients hold twice their value: norm 25, unscaled by 1/2 and clipped by 10/25.
  EXPECT_FLOAT_EQ(norm_of({30, 40}, 10, 2).factor, 0.2f);
  EXPECT_EQ(norm_of({30, 40}, 10, 2).norm, 25.0);
  EXPECT_EQ(norm_of({}, 10).norm, 0.0);
}

TEST(GradientNorm, RangesLeaveTheRestOut) {
  const std::vector<float> g{1, 100, 2, 2};
  const std::vector<FlatRange> ranges{{2, 2}, {0, 1}};
  Stream stream;
  GradientNorm n;
  gradient_norm(stream, {g.data(), ranges, 0, 1, &n});
  EXPECT_EQ(n.norm, 3.0);
}

TEST(GradientNorm, WhatIsNotFiniteIsSaidAndPassedOn) {
  const float inf = std::numeric_limits<float>::infinity();
  const GradientNorm infinite = norm_of({1, inf}, 10), nan = norm_of({1, std::nanf("")}, 10);
  EXPECT_EQ(infinite.finite, 0);
  EXPECT_EQ(infinite.factor, 0.0f);  // 1 * 0 = 0, inf * 0 = NaN
  EXPECT_EQ(nan.finite, 0);
  EXPECT_TRUE(std::isnan(nan.factor));
  const GradientNorm large = norm_of({3e38f, 3e38f}, 10);
  EXPECT_EQ(large.finite, 1);
  EXPECT_GT(large.factor, 0.0f);
}

TEST(GradientNorm, TheSameBitsForAnyNumberOfThreads) {
  const auto g = noise(100'003, 5);
  const double one = norm_of(g, 10, 1, 1).norm;
  EXPECT_EQ(one, norm_of(g, 10, 1, 2).norm);
  EXPECT_EQ(one, norm_of(g, 10, 1, 3).norm);
  double plain = 0;
  for (const float v : g) plain += double{v} * v;
  EXPECT_NEAR(one, std::sqrt(plain), 1e-9 * one);
}

TEST(OptimizerStep, SgdByHand) {
  // g = 2 + 0.1 * 1 = 2.1; buffer 0.5 * 4 + 2.1 = 4.1; p = 1 - 0.1 * (2.1 + 0.5 * 4.1).
  const UpdateCoefficients c = update_coefficients(OptimKind::kSgd, {0.1, 0.5, 0.1, 1});
  float p = 1, s0 = 4, unused = 0;
  SgdRule::apply(c, 2.0f, p, s0, unused);
  EXPECT_FLOAT_EQ(s0, 4.1f);
  EXPECT_FLOAT_EQ(p, 1 - 0.1f * (2.1f + 2.05f));
}

TEST(OptimizerStep, FirstStepsOfTheAdamFamily) {
  // After one step m = (1-b1) g and v = (1-b2) g^2, so that Adam moves by lr whatever the gradient.
  for (const float g : {0.01f, -3.0f}) {
    float p = 0, m = 0, v = 0;
    AdamRule::apply(update_coefficients(OptimKind::kAdam, {0.1, 0.9, 0, 1}), g, p, m, v);
    EXPECT_NEAR(p, g > 0 ? -0.1 : 0.1, 1e-6);
    p = m = v = 0;
    AdamaxRule::apply(update_coefficients(OptimKind::kAdamax, {0.1, 0.9, 0, 1}), g, p, m, v);
    EXPECT_NEAR(p, g > 0 ? -0.1 : 0.1, 1e-6);
    p = m = v = 0;
    RAdamRule::apply(update_coefficients(OptimKind::kRAdam, {0.1, 0.9, 0, 1}), g, p, m, v);
    EXPECT_NEAR(p, -0.1 * g, 1e-6);  // not rectified yet
  }
  float p = 2, m = 0, v = 0;
  AdamRule::apply(update_coefficients(OptimKind::kAdamW, {0.1, 0.9, 0.5, 1}), 0.0f, p, m, v);
  EXPECT_FLOAT_EQ(p, 2 * 0.95f);
  EXPECT_EQ(update_coefficients(OptimKind::kRAdam, {0.1, 0.9, 0, 5}).rectify, 0.0f);
  EXPECT_GT(update_coefficients(OptimKind::kRAdam, {0.1, 0.9, 0, 6}).rectify, 0.0f);
}

struct Buffers {
  std::vector<float> p = noise(50'001, 1), s0 = noise(50'001, 3), s1 = noise(50'001, 4), a = noise(50'001, 6);
  const std::vector<float> g = noise(50'001, 2);
  std::vector<UpdateRange> ranges{{{0, 20'000}, 0}, {{20'000, 1}, 1}, {{20'100, 29'901}, 1}};
};

TEST(OptimizerStep, TheFusedPassEqualsThePlainOnesForAnyNumberOfThreads) {
  for (int kind = 0; kind <= static_cast<int>(OptimKind::kRmsProp); ++kind) {
    const auto k = static_cast<OptimKind>(kind);
    const std::vector<UpdateCoefficients> groups{update_coefficients(k, {0.01, 0.9, 0.1, 3, 0.5}),
                                                 update_coefficients(k, {0.02, 0.8, 0.0, 3, 0.5})};
    const GradientNorm norm{7.0, 0.3f, 1};
    Buffers plain;
    for (float& v : plain.s1) v = std::fabs(v);
    for (float& v : plain.s0) v = std::fabs(v);
    std::vector<FlatRange> all;
    for (const auto& r : plain.ranges) all.push_back(r.range);
    const Buffers start = plain;
    Stream one(Device::cpu(), {.threads = 1});
    std::vector<float> g = plain.g;
    scale_gradients(one, {g.data(), all, &norm});
    optimizer_step(one, {k, plain.ranges, groups, plain.p.data(), g.data(), plain.s0.data(), plain.s1.data()});
    ema_update(one, {plain.a.data(), plain.p.data(), all, 0.25f});
    EXPECT_EQ(plain.p[20'050], start.p[20'050]) << "outside all ranges";
    for (const int threads : {1, 2, 3}) {
      Buffers fused = start;
      Stream stream(Device::cpu(), {.threads = threads});
      optimizer_step(stream, {k, fused.ranges, groups, fused.p.data(), fused.g.data(), fused.s0.data(), fused.s1.data(),
                              &norm, fused.a.data(), 0.25f});
      EXPECT_EQ(fused.p, plain.p) << kind;
      EXPECT_EQ(fused.s0, plain.s0) << kind;
      EXPECT_EQ(fused.s1, plain.s1) << kind;
      EXPECT_EQ(fused.a, plain.a) << kind;
    }
  }
}

TEST(OptimizerStep, RefusesWhatIsMissing) {
  Buffers run;
  Stream stream;
  const std::vector<UpdateCoefficients> groups(1);
  EXPECT_THROW(optimizer_step(stream, {OptimKind::kSgd, run.ranges, groups, run.p.data(), run.g.data(), run.s0.data()}),
               ArgumentError);
  run.ranges.resize(1);
  EXPECT_THROW(
      optimizer_step(stream, {OptimKind::kAdam, run.ranges, groups, run.p.data(), run.g.data(), run.s0.data()}),
      ArgumentError);
}

TEST(Ema, BothFormsOfTheLerp) {
  EXPECT_FLOAT_EQ(lerp_towards(1.0f, 3.0f, 0.25f), 1.5f);
  EXPECT_FLOAT_EQ(lerp_towards(1.0f, 3.0f, 0.75f), 2.5f);
  EXPECT_EQ(lerp_towards(1e30f, 3.0f, 1.0f), 3.0f);
}

std::vector<float> orthogonalised(const std::vector<float>& in, std::int64_t rows, std::int64_t columns) {
  Stream stream;
  std::vector<float> out(in.size());
  newton_schulz(stream, {rows, columns, in.data(), out.data()});
  return out;
}

TEST(NewtonSchulz, AZeroMatrixStaysZeroAndANumberGoesNearOne) {
  EXPECT_EQ(orthogonalised({0, 0, 0, 0, 0, 0}, 2, 3), std::vector<float>(6, 0.0f));
  EXPECT_NEAR(orthogonalised({-0.01f}, 1, 1)[0], -1.0, 0.35);  // the iteration lands in about 0.7 .. 1.2
  Stream stream;
  EXPECT_THROW(newton_schulz(stream, {0, 3, nullptr, nullptr}), ShapeError);
}

TEST(NewtonSchulz, TranspositionAndColumnOrderDoNotMatter) {
  const int rows = 7, columns = 12;
  const auto m = noise(rows * columns, 9);
  std::vector<float> transposed(m.size()), reversed(m.size());
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      transposed[c * rows + r] = m[r * columns + c];
      reversed[r * columns + columns - 1 - c] = m[r * columns + c];
    }
  }
  const auto a = orthogonalised(m, rows, columns), b = orthogonalised(transposed, columns, rows);
  const auto d = orthogonalised(reversed, rows, columns);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      EXPECT_NEAR(a[r * columns + c], b[c * rows + r], 1e-5);
      EXPECT_NEAR(a[r * columns + c], d[r * columns + columns - 1 - c], 1e-5);
    }
  }
}

double relative_l2(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    norm += double{b[i]} * b[i];
  }
  return std::sqrt(difference / norm);
}

TEST(NewtonSchulz, GoldenMatrices) {
  BOXCAR_NEED_SHARED();
  const auto t = test::read_golden(test::shared("golden/loss/optim.safetensors"));
  const auto shapes = test::read_json(test::shared("golden/loss/optim.json"))["newton_schulz_shapes"];
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const std::string name = "newton_schulz/" + std::to_string(i);
    const auto out = orthogonalised(t.at(name + "/in").floats(), shapes[i][0], shapes[i][1]);
    EXPECT_TRUE(relative_l2(out, t.at(name + "/out_exact").floats()) <= 1e-5) << name;
    EXPECT_TRUE(relative_l2(out, t.at(name + "/out_bf16").floats()) <= 3e-2) << name;
  }
}

TEST(Muon, MatrixShapes) {
  EXPECT_EQ(muon_convolution({8, 3, 1, 4}, false).rows, 8);
  EXPECT_EQ(muon_convolution({8, 3, 1, 4}, false).columns, 12);
  EXPECT_FLOAT_EQ(muon_convolution({8, 3, 1, 4}, false).scale, std::sqrt(3.0f));
  EXPECT_EQ(muon_convolution({1, 3, 3, 16}, true).rows, 9);
  EXPECT_EQ(muon_convolution({1, 3, 3, 16}, true).columns, 16);
  EXPECT_EQ(muon_convolution({1, 3, 5, 16}, true).scale, 1.0f);
  EXPECT_FLOAT_EQ(muon_linear(12, 5).scale, std::sqrt(2.4f));
}

TEST(Muon, TheSameBitsForAnyNumberOfThreads) {
  std::vector<MuonRange> ranges;
  std::int64_t at = 0;
  for (const auto& [rows, columns] : {std::pair{64, 72}, {3, 200}, {130, 40}, {9, 64}, {128, 300}}) {
    ranges.push_back({at, {rows, columns, 1.0f}, 0.01, 0.9, 0.1});
    at += rows * columns;
  }
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    auto p = noise(at, 1), g = noise(at, 2), u = noise(at, 3), b = noise(at, 4);
    Stream stream(Device::cpu(), {.threads = threads});
    muon_step(stream, {ranges, p.data(), g.data(), u.data(), b.data(), nullptr});
    results.push_back(p);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

}  // namespace
}  // namespace boxcar::kernels
