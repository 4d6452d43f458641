#include "boxcar/kernels/optim/optim.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/graph.h"
#include "kernels/optim_support.h"
#include "support/backends.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::flat;
using test::noise;
using test::OnDevice;
using test::run_on;
using test::two_groups;

TEST(OptimizerRules, SgdByHand) {
  // g = 2 + 0.1 * 1 = 2.1; buffer 0.5 * 4 + 2.1 = 4.1; p = 1 - 0.1 * (2.1 + 0.5 * 4.1).
  const UpdateCoefficients c = update_coefficients(OptimKind::kSgd, {0.1, 0.5, 0.1, 1});
  float p = 1, s0 = 4, unused = 0;
  SgdRule::apply(c, 2.0f, p, s0, unused);
  EXPECT_FLOAT_EQ(s0, 4.1f);
  EXPECT_FLOAT_EQ(p, 1 - 0.1f * (2.1f + 2.05f));
}

TEST(OptimizerRules, FirstStepsOfTheAdamFamily) {
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

// Elements in three ranges with a gap; the second is one element, the last begins at no multiple of four.
struct Buffers {
  static constexpr int kCount = 9'001;
  std::vector<float> p = noise(kCount, 1), g = noise(kCount, 2), s0 = noise(kCount, 3), s1 = noise(kCount, 4),
                     a = noise(kCount, 6);
  std::vector<UpdateRange> ranges{
      {{0, 5'000}, 0}, {{5'000, 1}, 1}, {{5'101, 2'900}, 1}, {{8'001, 1'000}, kAverageOnly}};

  Buffers() {
    for (float& v : s1) v = std::fabs(v);
    for (float& v : s0) v = std::fabs(v);
  }
};

template <class Rule>
void apply_plainly(Buffers& b, const StepCoefficients& c, float factor) {
  for (const UpdateRange& r : b.ranges) {
    for (std::int64_t i = r.range.offset; i < r.range.offset + r.range.count; ++i) {
      if (r.group != kAverageOnly) Rule::apply(c.groups[r.group], b.g[i] * factor, b.p[i], b.s0[i], b.s1[i]);
      b.a[i] = lerp_towards(b.a[i], b.p[i], c.average_weight);
    }
  }
}

Buffers plain_step(OptimKind kind, const StepCoefficients& c, float factor) {
  Buffers b;
  switch (kind) {
    case OptimKind::kSgd:
      apply_plainly<SgdRule>(b, c, factor);
      break;
    case OptimKind::kAdam:
    case OptimKind::kAdamW:
      apply_plainly<AdamRule>(b, c, factor);
      break;
    case OptimKind::kAdamax:
      apply_plainly<AdamaxRule>(b, c, factor);
      break;
    case OptimKind::kNAdam:
      apply_plainly<NAdamRule>(b, c, factor);
      break;
    case OptimKind::kRAdam:
      apply_plainly<RAdamRule>(b, c, factor);
      break;
    case OptimKind::kRmsProp:
      apply_plainly<RmsPropRule>(b, c, factor);
      break;
  }
  return b;
}

/// A step's buffers on the device.
struct DeviceBuffers {
  DeviceBuffers(Stream& s, const Buffers& b)
      : p(flat(s, b.p)), g(flat(s, b.g)), s0(flat(s, b.s0)), s1(flat(s, b.s1)), a(flat(s, b.a)), blocks(s, b.ranges) {}
  OptimizerStepArgs args(OptimKind kind, const StepCoefficients* c, const GradientNorm* norm = nullptr) const {
    return {.kind = kind,
            .blocks = blocks,
            .coefficients = c,
            .values = p.as(),
            .grads = g.as(),
            .state0 = s0.as(),
            .state1 = s1.as(),
            .norm = norm,
            .averages = a.as()};
  }
  std::vector<float> read(Stream& s) const {
    std::vector<float> all = p.to_host(s);
    for (const Tensor* t : {&s0, &s1, &a}) test::append(all, t->to_host(s));
    return all;
  }
  Tensor p, g, s0, s1, a;
  FlatBlocks blocks;
};

std::vector<float> all_of(const Buffers& b) {
  std::vector<float> all = b.p;
  for (const auto* v : {&b.s0, &b.s1, &b.a}) test::append(all, *v);
  return all;
}

class OptimizerStepTest : public test::BackendTest {
 protected:
  // CPU: to the bit. CUDA: a formula has at most 8 operations, each rounded once or, contracted, not at all; values are
  // below 4, quotients by the root of the second moment below 100.
  void expect_near(const std::vector<float>& got, const std::vector<float>& want) const {
    const float roundings = device().is_cuda() ? 8 : 0;
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_TRUE(std::fabs(got[i] - want[i]) <= roundings * 0x1p-24f * std::max(4.0f, std::fabs(want[i])))
          << got[i] << " for " << want[i] << " at " << i;
    }
  }
};

TEST_P(OptimizerStepTest, TheFusedPassEqualsThePlainOnes) {
  for (int k = 0; k <= static_cast<int>(OptimKind::kRmsProp); ++k) {
    SCOPED_TRACE(k);
    const auto kind = static_cast<OptimKind>(k);
    const StepCoefficients c = two_groups(kind);
    const auto got = run_on(device(), [&](Stream& s) {
      const DeviceBuffers b(s, Buffers());
      const OnDevice<StepCoefficients> coefficients(s);
      const OnDevice<GradientNorm> norm(s);
      const GradientNorm clipped{7.0, 0.3f, 1};
      s.copy(norm.get(), &clipped, sizeof(clipped));
      set_coefficients(s, {c, coefficients.get()});
      optimizer_step(s, b.args(kind, coefficients.get(), norm.get()));
      return b.read(s);
    });
    expect_near(got, all_of(plain_step(kind, c, 0.3f)));
    for (int i = 5'001; i < 5'101; ++i) EXPECT_EQ(got[i], Buffers().p[i]) << "outside all ranges";
  }
}

TEST_P(OptimizerStepTest, AddressesThatAllowNoVectors) {
  const StepCoefficients c = two_groups(OptimKind::kAdamW);
  const auto got = run_on(device(), [&](Stream& s) {
    Buffers shifted;
    for (UpdateRange& r : shifted.ranges) r.range.offset += 1;
    for (auto* v : {&shifted.p, &shifted.g, &shifted.s0, &shifted.s1, &shifted.a}) v->insert(v->begin(), 0.5f);
    const DeviceBuffers b(s, shifted);
    const OnDevice<StepCoefficients> coefficients(s);
    set_coefficients(s, {c, coefficients.get()});
    optimizer_step(s, b.args(OptimKind::kAdamW, coefficients.get()));
    auto all = b.p.to_host(s);
    all.erase(all.begin());
    return all;
  });
  expect_near(got, plain_step(OptimKind::kAdamW, c, 1.0f).p);
}

TEST_P(OptimizerStepTest, ASkippedStepMovesTheAverageAlone) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const int skips : {0, 1}) {
    StepCoefficients c = two_groups(OptimKind::kSgd);
    c.skip_not_finite = skips;
    Buffers start;
    start.g[17] = inf;
    const auto got = run_on(device(), [&](Stream& s) {
      const DeviceBuffers b(s, start);
      const OnDevice<StepCoefficients> coefficients(s);
      const OnDevice<GradientNorm> norm(s);
      set_coefficients(s, {c, coefficients.get()});
      gradient_norm(s, {b.blocks, b.g.as(), coefficients.get(), norm.get()});
      optimizer_step(s, b.args(OptimKind::kSgd, coefficients.get(), norm.get()));
      return b.read(s);
    });
    EXPECT_EQ(std::isnan(got[17]) || std::isinf(got[17]), skips == 0);
    if (skips == 0) continue;
    for (std::size_t i = 0; i < start.p.size(); ++i) ASSERT_EQ(got[i], start.p[i]);
    EXPECT_FLOAT_EQ(got[3 * start.p.size()], lerp_towards(start.a[0], start.p[0], 0.25f));
  }
}

TEST_P(OptimizerStepTest, WritesARoundedCopyOfTheNewValues) {
  std::vector<float> values;
  const auto rounded = run_on(device(), [&](Stream& s) {
    const DeviceBuffers b(s, Buffers());
    const Tensor copy = Tensor::zeros(s, {1, 1, 1, Buffers::kCount}, DType::kBF16);
    const OnDevice<StepCoefficients> coefficients(s);
    set_coefficients(s, {two_groups(OptimKind::kSgd), coefficients.get()});
    OptimizerStepArgs args = b.args(OptimKind::kSgd, coefficients.get());
    args.rounded = copy.as<bfloat16>();
    optimizer_step(s, args);
    values = b.p.to_host(s);
    return copy.to_host(s);
  });
  for (int i = 0; i < Buffers::kCount; ++i) {
    const bool outside = i >= 5'001 && i < 5'101;
    ASSERT_EQ(rounded[i], outside ? 0.0f : float(bfloat16(values[i]))) << i;
  }
}

TEST_P(OptimizerStepTest, RefusesWhatIsMissing) {
  const DeviceBuffers b(stream(), Buffers());
  const OnDevice<StepCoefficients> c(stream());
  OptimizerStepArgs args = b.args(OptimKind::kAdam, c.get());
  args.state1 = nullptr;
  EXPECT_THROW(optimizer_step(stream(), args), ArgumentError);
  EXPECT_THROW(optimizer_step(stream(), b.args(OptimKind::kSgd, nullptr)), ArgumentError);
  const std::vector<UpdateRange> bad{{{0, 4}, StepCoefficients::kMaxGroups}};
  EXPECT_THROW(FlatBlocks(stream(), bad), ArgumentError);
}

// What a run does with one recording: new numbers before each replay, the same memory.
TEST_P(OptimizerStepTest, ARecordedStepTakesNewNumbers) {
  if (!device().is_cuda()) GTEST_SKIP() << "the CPU records nothing";
  const auto step = [](Stream& s, const DeviceBuffers& b, const StepCoefficients* c, GradientNorm* norm) {
    gradient_norm(s, {b.blocks, b.g.as(), c, norm});
    optimizer_step(s, b.args(OptimKind::kSgd, c, norm));
  };
  StepCoefficients first = two_groups(OptimKind::kSgd), second = two_groups(OptimKind::kSgd);
  first.max_norm = 1.0;
  second.groups[0] = update_coefficients(OptimKind::kSgd, {0.3, 0.5, 0.2, 4});
  second.loss_scale = 2.0;
  second.average_weight = 0.75f;
  Stream s(device());
  const DeviceBuffers recorded(s, Buffers()), issued(s, Buffers());
  const OnDevice<StepCoefficients> c(s);
  const OnDevice<GradientNorm> norm(s);
  s.begin_capture();
  step(s, recorded, c.get(), norm.get());
  Graph graph = s.end_capture();
  EXPECT_EQ(graph.kernels(), 2);
  for (const StepCoefficients& now : {first, second}) {
    set_coefficients(s, {now, c.get()});
    graph.launch(s);
    step(s, issued, c.get(), norm.get());
    EXPECT_EQ(recorded.read(s), issued.read(s));
  }
}

// What two launches of a recorded step leave, with new numbers before the second.
std::vector<float> after_two_launches(Device device, const StepCoefficients& first, const StepCoefficients& second,
                                      const Buffers& buffers) {
  Stream s(device);
  const DeviceBuffers b(s, buffers);
  const OnDevice<StepCoefficients> c(s);
  const OnDevice<GradientNorm> norm(s);
  s.begin_capture();
  gradient_norm(s, {b.blocks, b.g.as(), c.get(), norm.get()});
  optimizer_step(s, b.args(OptimKind::kSgd, c.get(), norm.get()));
  Graph graph = s.end_capture();
  for (const StepCoefficients& now : {first, second}) {
    set_coefficients(s, {now, c.get()});
    graph.launch(s);
  }
  return b.read(s);
}

TEST_P(OptimizerStepTest, EachNumberHasItsEffectOnARecordedStep) {
  if (!device().is_cuda()) GTEST_SKIP() << "the CPU records nothing";
  StepCoefficients same = two_groups(OptimKind::kSgd);
  same.max_norm = 1.0;
  const std::vector<float> unchanged = after_two_launches(device(), same, same, Buffers());
  const auto changed = [&](auto change) {
    StepCoefficients other = same;
    change(other);
    return after_two_launches(device(), same, other, Buffers()) != unchanged;
  };
  const auto groups_of = [](double lr, double momentum, double decay) {
    return update_coefficients(OptimKind::kSgd, {lr, momentum, decay, 3, 0.5});
  };
  EXPECT_TRUE(changed([&](StepCoefficients& c) { c.groups[0] = groups_of(0.02, 0.9, 0.1); })) << "rate";
  EXPECT_TRUE(changed([&](StepCoefficients& c) { c.groups[0] = groups_of(0.01, 0.8, 0.1); })) << "momentum";
  EXPECT_TRUE(changed([&](StepCoefficients& c) { c.groups[0] = groups_of(0.01, 0.9, 0.2); })) << "decay";
  EXPECT_TRUE(changed([&](StepCoefficients& c) { c.groups[1] = groups_of(0.03, 0.8, 0.0); })) << "the other group";
  EXPECT_TRUE(changed([](StepCoefficients& c) { c.max_norm = 2.0; })) << "clipping";
  EXPECT_TRUE(changed([](StepCoefficients& c) { c.average_weight = 0.5f; })) << "average";
  StepCoefficients unclipped = same, scaled = same;
  unclipped.max_norm = scaled.max_norm = 0.0;
  scaled.loss_scale = 2.0;
  EXPECT_NE(after_two_launches(device(), unclipped, scaled, Buffers()),
            after_two_launches(device(), unclipped, unclipped, Buffers()))
      << "loss scale";
  Buffers infinite;
  infinite.g[7] = INFINITY;
  StepCoefficients skips = same;
  skips.skip_not_finite = 1;
  const auto skipped = after_two_launches(device(), skips, skips, infinite);
  EXPECT_TRUE(std::all_of(skipped.begin(), skipped.end(), [](float v) { return std::isfinite(v); }));
  const auto taken = after_two_launches(device(), skips, same, infinite);
  EXPECT_FALSE(std::all_of(taken.begin(), taken.end(), [](float v) { return std::isfinite(v); })) << "skipping";
}

INSTANTIATE_ON_BACKENDS(OptimizerStepTest);

TEST(Ema, BothFormsOfTheLerp) {
  EXPECT_FLOAT_EQ(lerp_towards(1.0f, 3.0f, 0.25f), 1.5f);
  EXPECT_FLOAT_EQ(lerp_towards(1.0f, 3.0f, 0.75f), 2.5f);
  EXPECT_EQ(lerp_towards(1e30f, 3.0f, 1.0f), 3.0f);
}

}  // namespace
}  // namespace boxcar::kernels
