#include "boxcar/kernels/norm_act/norm_act_simd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "boxcar/kernels/norm_act/norm_act_plain.h"
#include "support/simd.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::append;
using test::random_values;

struct Case {
  Shape shape;
  ActKind act = ActKind::kSilu;
  DType dtype = DType::kF32;
  bool batch_stats = true, residual = false, sliced = false;
  int pieces = 1;

  std::string str() const {
    return shape.str() + " act " + std::to_string(int(act)) + " pieces " + std::to_string(pieces) +
           (dtype == DType::kF32 ? " f32" : " bf16") + (batch_stats ? " batch" : " running") +
           (residual ? " residual" : "") + (sliced ? " sliced" : "");
  }
};

struct Outcome {
  std::vector<float> forward, backward;
};

Tensor placed(Stream& stream, const Case& c, Shape shape, const std::vector<float>& values) {
  if (!c.sliced) return test::tensor_of(stream, shape, values, c.dtype);
  return test::slice_of(stream, shape, values, c.dtype, 3, shape.c + 5);
}

// The channels of piece p: all, the upper half, all, the first.
Range piece_range(const Case& c, int p) {
  if (p == 1) return {c.shape.c / 2, c.shape.c - c.shape.c / 2};
  return p == 3 ? Range{0, 1} : Range{0, c.shape.c};
}

struct Problem {
  Stream stream;
  std::vector<float> gamma, beta, running_mean, running_var, saved;
  Tensor z;

  Problem(const Case& c, int threads)
      : stream(Device::cpu(), {.threads = threads}),
        gamma(random_values(c.shape.c, 1)),
        beta(random_values(c.shape.c, 2)),
        running_mean(random_values(c.shape.c, 3)),
        running_var(static_cast<std::size_t>(c.shape.c), 1.7f),
        saved(static_cast<std::size_t>(2 * c.shape.c)),
        z(test::tensor_of(stream, c.shape, random_values(c.shape.count(), 4), c.dtype)) {}

  Norm norm(const Case& c) {
    return {gamma.data(), beta.data(), running_mean.data(), running_var.data(), 1e-3f, 0.03f, c.batch_stats};
  }
};

struct Functions {
  void (*statistics)(Stream&, const BatchStatisticsArgs&);
  void (*forward)(Stream&, const NormActForwardArgs&);
  void (*backward)(Stream&, const NormActBackwardArgs&);
};
constexpr Functions kPlain{cpu::plain::batch_statistics, cpu::plain::norm_act_forward, cpu::plain::norm_act_backward};
constexpr Functions kSimd{cpu::simd::batch_statistics, cpu::simd::norm_act_forward, cpu::simd::norm_act_backward};

std::vector<float> run_forward(Problem& p, const Case& c, const Functions& functions) {
  const int channels = c.shape.c, half = channels / 2;
  const Shape upper{c.shape.n, c.shape.h, c.shape.w, channels - half};
  const std::vector<float> nothing(static_cast<std::size_t>(c.shape.count()), 9.0f);
  NormActForwardArgs args{p.z, p.norm(c), {c.act, 0.1f}, {}, {}, p.saved.data()};
  const Tensor residual = placed(p.stream, c, c.shape, random_values(c.shape.count(), 5));
  if (c.residual) args.residual = residual.view();
  const Tensor whole = placed(p.stream, c, c.shape, nothing);
  const Tensor part =
      test::slice_of(p.stream, upper, std::vector<float>(upper.count(), 9.0f), c.dtype, 1, channels + 2);
  args.to.push_back({{half, channels - half}, part});
  args.to.push_back({{0, channels}, whole});
  if (c.batch_stats) functions.statistics(p.stream, {p.z, args.norm.statistics(p.saved.data())});
  functions.forward(p.stream, args);
  std::vector<float> out = whole.to_host(p.stream);
  append(out, part.to_host(p.stream));
  append(out, p.saved);
  append(out, p.running_mean);
  append(out, p.running_var);
  return out;
}

std::vector<float> run_backward(Problem& p, const Case& c, const Functions& functions) {
  std::vector<float> dgamma(p.gamma.size(), 0.5f), dbeta(p.gamma.size(), 0.25f);
  const Tensor dz = test::unwritten(p.stream, c.shape, c.dtype);
  std::vector<Tensor> keep;
  NormActBackwardArgs args{p.z, p.norm(c),     p.saved.data(), {c.act, 0.1f}, {},
                           dz,  dgamma.data(), dbeta.data(),   GradMode::kAdd};
  for (int i = 0; i < c.pieces; ++i) {
    const Range of = piece_range(c, i);
    const Shape shape{c.shape.n, c.shape.h, c.shape.w, of.count};
    keep.push_back(placed(p.stream, c, shape, random_values(shape.count(), 6 + unsigned(i))));
    args.from.push_back({of, keep.back()});
  }
  functions.backward(p.stream, args);
  std::vector<float> out = dz.to_host(p.stream);
  append(out, dgamma);
  append(out, dbeta);
  return out;
}

Outcome outcome(const Case& c, int threads, const Functions& functions) {
  Problem p(c, threads);
  Outcome out;
  out.forward = run_forward(p, c, functions);
  out.backward = run_backward(p, c, functions);
  return out;
}

Outcome plain(const Case& c) { return outcome(c, 1, kPlain); }
Outcome simd(const Case& c, int threads = 1) { return outcome(c, threads, kSimd); }

void expect_near(const std::vector<float>& got, const std::vector<float>& want, float tolerance, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const float error = std::abs(got[i] - want[i]);
    ASSERT_TRUE(error <= tolerance * (1.0f + std::abs(want[i])))
        << what << ' ' << i << ": " << got[i] << ' ' << want[i];
  }
}

void compare(const Case& c) {
  SCOPED_TRACE(c.str());
  const Outcome want = plain(c), got = simd(c);
  // bf16: half a unit in the last of 8 places, where the floats before rounding differ by one.
  const float tolerance = c.dtype == DType::kF32 ? 2e-5f : 8e-3f;
  expect_near(got.forward, want.forward, tolerance, "forward");
  expect_near(got.backward, want.backward, tolerance, "backward");
}

// Every kind of layout, drawn in turn so that neighbours differ.
Case awkward_case(int i) {
  constexpr ActKind kinds[] = {ActKind::kSilu, ActKind::kIdentity, ActKind::kSilu, ActKind::kRelu};
  Case c;
  c.shape = {1 + i % 2, 1 + i % 5, 2 + i % 7, 1 + i % 40};
  c.act = kinds[i % 4];
  c.dtype = i % 3 == 2 ? DType::kBF16 : DType::kF32;
  c.batch_stats = i % 11 != 0;
  c.residual = i / 2 % 2 != 0;
  c.sliced = i / 3 % 2 != 0;
  c.pieces = i / 5 % 5;
  return c;
}

TEST(NormActSimd, EqualsThePlainLoops) {
  test::on_every_target([] {
    for (int i = 0; i < 400; ++i) compare(awkward_case(i));
    for (const int channels : {1, 3, 8, 16, 24, 37, 255}) {  // several blocks, the last one short
      for (const int pieces : {1, 2, 3}) {
        Case c;
        c.shape = {1, 1, 2 * (1 << 14) / channels + 19, channels};
        c.pieces = pieces;
        compare(c);
      }
    }
  });
}

TEST(NormActSimd, ThreadsChangeNoBit) {
  for (const int channels : {3, 16, 40}) {
    Case c;
    c.shape = {2, 40, 41, channels};
    c.pieces = 3;
    const Outcome want = simd(c, 1);
    for (const int threads : {2, 3}) {
      const Outcome got = simd(c, threads);
      EXPECT_EQ(got.forward, want.forward);
      EXPECT_EQ(got.backward, want.backward);
    }
  }
}

TEST(NormActSimd, FusedTargetsAgreeToTheBit) {
  std::vector<Outcome> outcomes;
  test::on_every_target([&] {
    if (!test::target_is_fused()) return;
    outcomes.emplace_back();
    for (int i = 0; i < 200; ++i) {
      const Outcome out = simd(awkward_case(i));
      append(outcomes.back().forward, out.forward);
      append(outcomes.back().backward, out.backward);
    }
  });
  for (std::size_t i = 1; i < outcomes.size(); ++i) {
    expect_near(outcomes[i].forward, outcomes[0].forward, 0.0f, "forward");
    expect_near(outcomes[i].backward, outcomes[0].backward, 0.0f, "backward");
  }
}

// SiLU and its gradient with norm(z) = z, at values where exp leaves the range of a float.
TEST(NormActSimd, SiluFarFromZeroAndNotFinite) {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> x{0.0f,   -0.0f, 1e-30f, 80.0f, -80.0f, 87.5f,         -87.5f, 89.0f,
                       -89.0f, 1e4f,  -1e4f,  1e38f, -1e38f, std::nanf(""), inf,    -inf};
  for (int i = -2000; i < 2000; ++i) x.push_back(0.05f * float(i));
  const float gamma = 1, beta = 0, mean_rstd[] = {0, 1};
  test::on_every_target([&] {
    Stream stream;
    const auto count = static_cast<int>(x.size());
    const Shape shape{1, 1, count, 1};
    const Tensor z = Tensor::from(stream, shape, x), y = test::unwritten(stream, shape),
                 dz = test::unwritten(stream, shape);
    const Tensor dy = Tensor::from(stream, shape, std::vector<float>(x.size(), 1.0f));
    float mean = 0, var = 1, saved[2];
    const Norm norm{&gamma, &beta, &mean, &var, 0.0f, 0.0f, false};
    cpu::simd::norm_act_forward(stream, {z, norm, {ActKind::kSilu}, {}, {{{0, 1}, y}}, saved});
    cpu::simd::norm_act_backward(stream, {z, norm, mean_rstd, {ActKind::kSilu}, {{{0, 1}, dy}}, dz, nullptr, nullptr});
    for (int i = 0; i < count; ++i) {
      const double want = silu(double{x[i]}), want_grad = silu_grad(double{x[i]});
      const float got = y.as()[i];
      if (!std::isfinite(x[i])) {
        EXPECT_FALSE(std::isfinite(got) && std::isfinite(dz.as()[i])) << x[i];
        continue;
      }
      EXPECT_TRUE(std::abs(got - want) <= 5e-7 * std::abs(want) + 1e-35) << x[i] << ' ' << got << ' ' << want;
      EXPECT_TRUE(std::abs(dz.as()[i] - want_grad) <= 1e-6) << x[i] << ' ' << dz.as()[i] << ' ' << want_grad;
    }
  });
}

}  // namespace
}  // namespace boxcar::kernels
