#include "boxcar/kernels/loss/detection_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "boxcar/kernels/assign/assign.h"
#include "boxcar/kernels/loss/decode.h"
#include "boxcar/kernels/loss/distance_math.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/graph.h"
#include "boxcar/runtime/random/philox.h"
#include "kernels/detection_loss_head.h"
#include "support/backends.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::Head;
using test::placed;
using test::run_on;
using test::table_of;

class DetectionLossTest : public test::BackendTest {};

TEST_P(DetectionLossTest, NoObjectsLeaveTheClassTerm) {
  Head head{.n = 2, .nc = 3};
  head.add(2, 2, 8);
  head.run(device());
  EXPECT_EQ(head.loss[0], 0.0f);
  EXPECT_NEAR(head.items[1], 0.5 * 2 * 4 * 3 * std::log(2.0), 1e-5);  // softplus(0) a logit
  EXPECT_NEAR(head.loss[1], 2 * head.items[1], 1e-5);
  EXPECT_EQ(test::max_abs(head.levels[0].box_grad), 0.0);
  for (const float g : head.levels[0].cls_grad) EXPECT_FLOAT_EQ(g, 0.5f * 2 * 0.5f);
}

TEST_P(DetectionLossTest, OneAnchorByHand) {
  // A 1 x 1 map of stride 8, one box 8 x 8 predicted exactly: CIoU 1 (to the epsilons), score 1, probability 1/2.
  Head head{.n = 1, .nc = 1, .reg_max = 1};
  head.add(1, 1, 8);
  head.levels[0].box = {0.5f, 0.5f, 0.5f, 0.5f};
  head.targets = {0, 0, 0.5f, 0.5f, 1, 1};
  head.run(device());
  EXPECT_NEAR(head.items[0], 0.0, 1e-5);
  EXPECT_NEAR(head.items[1], 0.5 * std::log(2.0), 1e-5);
  EXPECT_NEAR(head.items[2], 0.0, 1e-6);
  EXPECT_NEAR(head.levels[0].cls_grad[0], 0.5 * (0.5 - 1.0), 1e-5);
}

TEST_P(DetectionLossTest, L1ByHand) {
  // The left side predicted 0.25 cells too far out: a quarter of |0.25| * 8 / 8 (one cell wide), times 1.5 and the
  // score. The score is the overlap o itself (metric / metric * overlap), the sum of scores below 1 counts as 1.
  Head head{.n = 1, .nc = 1, .reg_max = 1};
  head.add(1, 1, 8);
  head.levels[0].box = {0.75f, 0.5f, 0.5f, 0.5f};
  head.targets = {0, 0, 0.5f, 0.5f, 1, 1};
  head.run(device());
  const double o = iou(IouKind::kCiou, BoxOf<double>{0, 0, 8, 8}, BoxOf<double>{-2, 0, 8, 8});
  EXPECT_NEAR(head.items[2], 1.5 * 0.25 / 4 * o, 1e-5);
  EXPECT_NEAR(head.items[0], 7.5 * (1 - o) * o, 1e-5);
}

TEST(DetectionLoss, DflGradientMatchesFiniteDifferences) {
  constexpr int kBins = 7;
  constexpr double kStep = 1e-6, kMean = 0.7, kDfl = 1.3;
  for (const double target : {-1.0, 0.0, 0.4, 3.0, 4.999, 5.98, 9.0}) {
    std::vector<double> raw{0.3, -1.2, 0.8, 2.0, -0.5, 0.1, 0.9}, grad(kBins, 0.0), unused(kBins);
    dfl_with_grad(raw.data(), kBins, target, kMean, kDfl, grad.data());
    const auto value = [&] {
      return kMean * side_distance(raw.data(), kBins) +
             kDfl * dfl_with_grad(raw.data(), kBins, target, 0.0, 0.0, unused.data());
    };
    for (int j = 0; j < kBins; ++j) {
      const double at = raw[j];
      raw[j] = at + kStep;
      const double high = value();
      raw[j] = at - kStep;
      const double low = value();
      raw[j] = at;
      EXPECT_NEAR(grad[j], (high - low) / (2 * kStep), 1e-8) << "target " << target << " bin " << j;
    }
  }
}

TEST(DetectionLoss, ReadsExpectedBinAndClampsTheTarget) {
  std::vector<double> raw{0, 0, 0, 0}, grad(4, 0.0);
  EXPECT_DOUBLE_EQ(side_distance(raw.data(), 4), 1.5);
  EXPECT_NEAR(dfl_with_grad(raw.data(), 4, 100.0, 0.0, 1.0, grad.data()), std::log(4.0), 1e-12);
  EXPECT_NEAR(grad[3], 0.25 - 0.99, 1e-12);
  EXPECT_DOUBLE_EQ(side_distance(raw.data(), 1), 0.0);
}

TEST_P(DetectionLossTest, GradScaleScalesGradientsOnly) {
  Head a{.n = 2, .nc = 3}, b{.n = 2, .nc = 3};
  for (Head* head : {&a, &b}) {
    head->add(8, 8, 8), head->add(4, 4, 16);
    head->randomise(5);
  }
  a.run(device());
  b.run(device(), {}, 0.25f);
  EXPECT_EQ(a.loss, b.loss);
  for (int l = 0; l < 2; ++l) {
    for (std::size_t i = 0; i < a.levels[l].box_grad.size(); ++i) {
      ASSERT_EQ(a.levels[l].box_grad[i] * 0.25f, b.levels[l].box_grad[i]);
    }
    for (std::size_t i = 0; i < a.levels[l].cls_grad.size(); ++i) {
      ASSERT_EQ(a.levels[l].cls_grad[i] * 0.25f, b.levels[l].cls_grad[i]);
    }
  }
}

void expect_near(const std::vector<float>& got, const std::vector<float>& want, double tolerance) {
  const double error = test::max_difference(got, want), largest = test::max_abs(want);
  EXPECT_TRUE(error <= tolerance * largest) << error << " of " << largest;
}

// Both backends evaluate the same formulas on the same assignment. A gradient is up to 150 operations, each rounded
// once or, contracted, not at all: 1e-5 of the largest; sums are made in double of terms that are good to 16 roundings.
void expect_as_on_the_cpu(const Head& head, Device device, AssignOptions options) {
  Head want = head, got = head;
  Stream cpu;
  want.take(want.issue(cpu, options));
  got.run(device, options);
  expect_near(got.items, want.items, 16 * 0x1p-24);
  expect_near(got.loss, want.loss, 16 * 0x1p-24);
  expect_near({got.total}, {got.loss[0] + got.loss[1] + got.loss[2]}, 2 * 0x1p-24);
  for (std::size_t l = 0; l < head.levels.size(); ++l) {
    expect_near(got.levels[l].box_grad, want.levels[l].box_grad, 1e-5);
    expect_near(got.levels[l].cls_grad, want.levels[l].cls_grad, 1e-5);
  }
}

TEST_P(DetectionLossTest, EqualsTheCpus) {
  for (const int reg_max : {1, 7, 16}) {
    Head head{.n = 3, .nc = 40, .reg_max = reg_max};
    head.add(12, 10, 8), head.add(6, 5, 16), head.add(3, 3, 32);
    head.randomise(11);
    expect_as_on_the_cpu(head, device(), {});
    expect_as_on_the_cpu(head, device(), {7, 1});
  }
}

TEST_P(DetectionLossTest, AnyNumberOfClassesAtAnyAddress) {
  for (const int nc : {1, 3, 7, 80}) {
    for (const int shift : {0, 1}) {
      Head head{.n = 2, .nc = nc, .reg_max = 4, .shift = shift};
      head.add(9, 7, 8), head.add(5, 3, 16);
      head.randomise(static_cast<std::uint32_t>(nc));
      head.class_weights.assign(static_cast<std::size_t>(nc), 0.5f);
      head.class_weights[0] = 2.0f;
      expect_as_on_the_cpu(head, device(), {});
    }
  }
}

TEST_P(DetectionLossTest, ManyObjectsInOneImageAndNoneInOthers) {
  Head head{.n = 3, .nc = 2};
  head.add(10, 10, 8), head.add(5, 5, 16);
  for (int i = 0; i < 60; ++i) head.randomise(7);  // 900 rows
  for (std::size_t r = 0; r < head.targets.size(); r += 6) head.targets[r] = r % 18 == 0 ? -1.0f : 1.0f;
  expect_as_on_the_cpu(head, device(), {});
}

TEST_P(DetectionLossTest, StaysWithinItsKernels) {
  if (!device().is_cuda()) return;
  Head head{.n = 2, .nc = 3};
  head.add(8, 8, 8), head.add(4, 4, 16), head.add(2, 2, 32);
  head.randomise(5);
  for (const AssignOptions options : {AssignOptions{10, 10}, AssignOptions{7, 1}}) {
    const Head::Maps in = head.maps(stream());
    const Tensor table = table_of(stream(), head.targets), loss = test::unwritten(stream(), {1, 1, 1, 3});
    stream().begin_capture();
    detection_loss(stream(), {.levels = in.levels, .targets = table, .assign = options, .loss = loss});
    EXPECT_EQ(stream().end_capture().kernels(), options.topk == 7 ? 9 : 8);
  }
}

TEST_P(DetectionLossTest, GradientsAreScaledByANumberOnTheDevice) {
  const auto box = test::random_values(5 * 4, 1), cls = test::random_values(3 * 4099, 2);
  for (const float factor : {1.0f, 0.0f, -0.75f}) {
    const auto got = run_on(device(), [&](Stream& s) {
      const Tensor a = test::tensor_of(s, {1, 1, 5, 4}, box), b = test::tensor_of(s, {1, 3, 1, 4099}, cls);
      scale_loss_gradients(s, {{{a, b}}, Tensor::from(s, {}, {factor})});
      std::vector<float> all = a.to_host(s);
      test::append(all, b.to_host(s));
      return all;
    });
    std::vector<float> want = box;
    test::append(want, cls);
    for (float& v : want) v *= factor;
    EXPECT_EQ(got, want);
  }
  const Tensor a = test::unwritten(stream(), {1, 1, 5, 4});
  EXPECT_THROW(scale_loss_gradients(stream(), {{{a, a}}, a}), ShapeError);
}

TEST_P(DetectionLossTest, RowOrderAndPaddingDoNotMatter) {
  Head a{.n = 2, .nc = 3}, b{.n = 2, .nc = 3};
  for (Head* head : {&a, &b}) head->add(8, 8, 8), head->randomise(3);
  std::vector<float> sorted;
  for (const float image : {0.0f, 1.0f}) {
    for (std::size_t r = 0; r < b.targets.size(); r += 6) {
      if (b.targets[r] == image) sorted.insert(sorted.end(), b.targets.begin() + r, b.targets.begin() + r + 6);
    }
  }
  sorted.insert(sorted.end(), {-1, 0, 0, 0, 0, 0});
  b.targets = sorted;
  a.run(device());
  b.run(device());
  EXPECT_EQ(a.loss, b.loss);
}

TEST_P(DetectionLossTest, LargeLogitsAndTargetsOutsideStayFinite) {
  Head head{.n = 1, .nc = 2};
  head.add(4, 4, 8);
  head.levels[0].cls[0] = 1e4f;
  head.levels[0].cls[1] = -1e4f;
  head.levels[0].box[3] = 300.0f;
  head.targets = {0, 1, -3, -3, 9, 9, 0, 0, 0.5f, 0.5f, 0, 0, 0, 0, 0.5f, 0.5f, 1e-4f, 5};
  head.run(device());
  for (const float v : head.loss) EXPECT_TRUE(std::isfinite(v));
  EXPECT_TRUE(std::isfinite(test::max_abs(head.levels[0].box_grad)));
}

TEST_P(DetectionLossTest, NanShowsInTheResult) {
  Head head{.n = 1, .nc = 2};
  head.add(4, 4, 8);
  head.targets = {0, 1, 0.5f, 0.5f, 0.5f, 0.5f};
  head.levels[0].cls[5] = std::nanf("");
  head.run(device());
  EXPECT_TRUE(std::isnan(head.loss[1]));
  head.levels[0].cls[5] = 0;
  for (float& v : head.levels[0].box) v = std::nanf("");
  head.run(device());
  EXPECT_TRUE(std::isnan(head.loss[0]));
}

TEST_P(DetectionLossTest, RefusesWhatDoesNotFit) {
  Head head{.n = 1, .nc = 2};
  head.add(4, 4, 8);
  head.targets = {0, 2, 0.5f, 0.5f, 0.5f, 0.5f};
  if (device().is_cuda()) {  // the host does not see the rows of a device: the result says it
    head.run(device());
    for (const float v : head.loss) EXPECT_TRUE(std::isnan(v));
  } else {
    EXPECT_THROW(head.issue(stream()), DataError);
  }
  head.targets[1] = 1;
  EXPECT_THROW(head.issue(stream(), {0, 1}), ArgumentError);
  const Head::Maps in = head.maps(stream());
  DetectionLossArgs args{.levels = in.levels, .reg_max = 8};
  EXPECT_THROW(detection_loss(stream(), args), ShapeError);
  args.reg_max = 0;
  EXPECT_THROW(detection_loss(stream(), args), ShapeError);
  EXPECT_THROW(detection_loss(stream(), {}), ShapeError);
}

TEST_P(DetectionLossTest, DecodesByHand) {
  Head head{.n = 1, .nc = 1, .reg_max = 1};
  head.add(1, 2, 8);
  head.levels[0].box = {0.5f, 0.5f, 1.5f, 0.5f, 1, 1, 1, 1};
  const auto decoded = [&](BoxFormat format, Shape shape) {
    return run_on(device(), [&](Stream& s) {
      const Head::Maps in = head.maps(s);
      const Tensor out = test::unwritten(s, shape);
      decode_predictions(s, {in.levels, 1, format, out});
      return out.to_host(s);
    });
  };
  EXPECT_EQ(decoded(BoxFormat::kCentreSize, {1, 1, 2, 5}),
            (std::vector<float>{8, 4, 16, 8, 0.5f, 12, 4, 16, 16, 0.5f}));
  EXPECT_EQ(decoded(BoxFormat::kCorners, {1, 1, 2, 5}), (std::vector<float>{0, 0, 16, 8, 0.5f, 4, -4, 20, 12, 0.5f}));
  EXPECT_THROW(decoded(BoxFormat::kCorners, {1, 1, 1, 5}), ShapeError);
}

INSTANTIATE_ON_BACKENDS(DetectionLossTest);

}  // namespace
}  // namespace boxcar::kernels
