#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "boxcar/nn/autograd/ops/ops.h"
#include "boxcar/nn/criterion/criterion.h"
#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace boxcar {
namespace {

using nn::Context, nn::Value;

/// Overrides nothing, so all its terms are the ops that stand in for the kernel.
struct ByOps : DetectionCriterion {};

// The loss of the customisation guide, word for word.
// clang-format off
struct TinyBoxLoss : DetectionCriterion {                       // own loss, no gradient code: Wasserstein distance, for tiny boxes
  Value box_loss(Context&, const Matches& m) override {
    const Value d = sqrt(sum(square(m.boxes - m.target_boxes), {3}));
    return sum((1.f - exp(d / -12.8f)) * m.weight) / m.norm; } };
// clang-format on

struct HalfBoxLoss : DetectionCriterion {
  Value box_loss(Context& context, const Matches& m) override {
    return DetectionCriterion::box_loss(context, m) * 0.5f;
  }
};

struct BoxesOnly : DetectionCriterion {
  Value cls_loss(Context&, const Matches&) override { return 0.0f; }
  Value dfl_loss(Context&, const Matches&) override { return 0.0f; }
};

struct NotSummed : DetectionCriterion {
  Value box_loss(Context&, const Matches& m) override { return m.weight; }
};

struct Case {
  DetectionLossSettings settings;
  std::vector<Shape> shapes;  // box and class map of each level
  std::vector<std::vector<float>> maps;
  std::vector<float> targets;
};

struct Outcome {
  float total;
  std::vector<float> items;
  std::vector<std::vector<float>> grads;  // of each map
};

Outcome run(DetectionCriterion&& criterion, const Case& c, Device device = Device::cpu(), float gradient = 1.0f) {
  Stream stream(device);
  Context context(stream);
  criterion.set_settings(c.settings);
  Outputs outputs;
  for (std::size_t i = 0; i < c.maps.size(); ++i) {
    outputs.emplace_back(context, Tensor::from(stream, c.shapes[i], c.maps[i]), true);
  }
  const int rows = static_cast<int>(c.targets.size() / 6);
  const Batch batch{{}, rows ? Tensor::from(stream, {1, 1, rows, 6}, c.targets) : Tensor()};
  const Loss loss = criterion(context, outputs, batch);
  Outcome outcome{loss.total.to_host()[0], {}, {}};
  for (const Value& item : loss.items) outcome.items.push_back(item.to_host()[0]);
  loss.total.add_grad(stream, Tensor::from(stream, {}, {gradient}), nn::Own::kExclusive);
  context.backward();
  for (const Value& map : outputs) {
    outcome.grads.push_back(map.grad().empty() ? std::vector<float>(map.shape().count())
                                               : map.grad().as_one(stream).to_host(stream));
  }
  return outcome;
}

Case random_case(int reg_max) {
  Case c{{.strides = {8, 16}, .nc = 3, .reg_max = reg_max, .gains = {}, .class_weights = {}}, {}, {}, {}};
  unsigned seed = 1;
  for (const int side : {6, 3}) {
    for (const int channels : {4 * reg_max, 3}) {
      c.shapes.push_back({2, side, side, channels});
      c.maps.push_back(test::random_values(c.shapes.back().count(), seed++));
      for (float& v : c.maps.back()) v = reg_max == 1 && channels == 4 ? std::abs(v) : v;
    }
  }
  c.targets = {0, 1, 0.5f, 0.4f, 0.3f, 0.5f, 0, 2, 0.2f, 0.7f, 0.1f, 0.15f, 1, 0, 0.6f, 0.6f, 0.7f, 0.5f};
  return c;
}

/// Items and total to 1e-5 of the largest item, gradients of the box and of the class maps to 1e-5 of their largest.
void expect_same(const Outcome& got, const Outcome& want) {
  const double largest_item = test::max_abs(want.items);
  EXPECT_TRUE(test::max_difference(got.items, want.items) <= 1e-5 * largest_item)
      << testing::PrintToString(got.items) << testing::PrintToString(want.items);
  EXPECT_TRUE(std::abs(got.total - want.total) <= 1e-5 * std::abs(want.total)) << got.total << " " << want.total;
  for (const std::size_t kind : {0, 1}) {
    double worst = 0, largest = 0;
    for (std::size_t i = kind; i < want.grads.size(); i += 2) {
      worst = std::max(worst, test::max_difference(got.grads[i], want.grads[i]));
      largest = std::max(largest, test::max_abs(want.grads[i]));
    }
    EXPECT_TRUE(worst <= 1e-5 * largest) << (kind ? "cls " : "box ") << worst << " of " << largest;
  }
}

TEST(DetectionCriterion, TermsByOpsEqualTheKernel) {
  for (const int reg_max : {1, 16}) {
    SCOPED_TRACE(reg_max);
    Case c = random_case(reg_max);
    expect_same(run(ByOps(), c), run(DetectionCriterion(), c));
    c.settings.class_weights = {0.5f, 2, 1};
    expect_same(run(ByOps(), c), run(DetectionCriterion(), c));
    c.targets.clear();
    expect_same(run(ByOps(), c), run(DetectionCriterion(), c));
  }
}

// What the loss is part of may ask for any multiple of its gradient.
TEST(DetectionCriterion, TheSameOnEveryDeviceForAnyGradientOfTheTotal) {
  Case c = random_case(16);
  c.settings.class_weights = {0.5f, 2.0f, 1.0f};
  const Outcome whole = run(DetectionCriterion(), c);
  for (const Device device : test::devices()) {
    expect_same(run(DetectionCriterion(), c, device), whole);
    Outcome half = run(DetectionCriterion(), c, device, 0.5f);
    EXPECT_EQ(half.total, run(DetectionCriterion(), c, device).total);
    for (auto& grads : half.grads) {
      for (float& g : grads) g *= 2.0f;
    }
    expect_same(half, whole);
  }
}

TEST(DetectionCriterion, AnOverrideThatCallsTheTermItReplacesCounts) {
  const Case c = random_case(16);
  const Outcome whole = run(DetectionCriterion(), c), half = run(HalfBoxLoss(), c);
  EXPECT_NEAR(half.items[0], whole.items[0] / 2, 1e-5 * whole.items[0]);
  EXPECT_NEAR(half.items[1], whole.items[1], 1e-5 * whole.items[1]);
}

TEST(DetectionCriterion, OwnBoxLossTrains) {
  Case c = random_case(16);
  const Outcome before = run(TinyBoxLoss(), c), ciou = run(DetectionCriterion(), c);
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < c.maps.size(); ++i) {
    ASSERT_TRUE(std::isfinite(test::max_difference(before.grads[i], ciou.grads[i])));
    if (i % 2 == 0) {
      difference = std::max(difference, test::max_difference(before.grads[i], ciou.grads[i]));
      largest = std::max(largest, test::max_abs(ciou.grads[i]));
    }
    for (std::size_t k = 0; k < c.maps[i].size(); ++k) c.maps[i][k] -= 1e-2f * before.grads[i][k];
  }
  EXPECT_GT(difference, 0.1 * largest);  // another loss, not CIoU to rounding
  EXPECT_LT(run(TinyBoxLoss(), c).total, before.total);
}

TEST(DetectionCriterion, TinyBoxLossByHand) {
  // One anchor, 8 x 8 pixels predicted from (-2,0): the corner is 2 pixels off, the score is the CIoU, S is 1.
  Case c{{.strides = {8}, .nc = 1, .reg_max = 1, .gains = {}, .class_weights = {}}, {}, {}, {}};
  c.shapes = {{1, 1, 1, 4}, {1, 1, 1, 1}};
  c.maps = {{0.75f, 0.5f, 0.5f, 0.5f}, {0}};
  c.targets = {0, 0, 0.5f, 0.5f, 1, 1};
  const double score =
      kernels::iou(kernels::IouKind::kCiou, kernels::BoxOf<double>{0, 0, 8, 8}, kernels::BoxOf<double>{-2, 0, 8, 8});
  EXPECT_NEAR(run(TinyBoxLoss(), c).items[0], 7.5 * (1 - std::exp(-2 / 12.8)) * score, 1e-5);
  c.maps[0][0] = 0.5f;  // met exactly: a vector of length 0
  const Outcome met = run(TinyBoxLoss(), c);
  EXPECT_EQ(met.items[0], 0);
  EXPECT_TRUE(std::isfinite(test::max_abs(met.grads[0])));
}

TEST(DetectionCriterion, NumbersAreTermsAndTablesAreNot) {
  const Case c = random_case(16);
  const Outcome boxes = run(BoxesOnly(), c);
  EXPECT_EQ(boxes.items[1], 0);
  EXPECT_NEAR(boxes.total, 2 * boxes.items[0], 1e-5 * boxes.total);
  EXPECT_EQ(test::max_abs(boxes.grads[1]), 0);
  EXPECT_THROW(run(NotSummed(), c), ModelError);
  Case missing = c;
  missing.maps.pop_back();
  EXPECT_THROW(run(ByOps(), missing), ModelError);
}

// ---- golden

using Tensors = std::map<std::string, test::GoldenTensor>;

Case read_case(const Tensors& t, const nlohmann::json& json, const std::string& branch) {
  const std::string name = json["case"].get<std::string>() + "/", maps = name + branch;
  Case c{{.strides = {8, 16, 32}, .nc = json["nc"], .reg_max = json["reg_max"], .gains = {}, .class_weights = {}},
         {},
         {},
         {}};
  const int n = json["B"];
  for (const int s : c.settings.strides) {
    const int h = json["image_hw"][0].get<int>() / s, w = json["image_hw"][1].get<int>() / s;
    for (const bool box : {true, false}) {
      const int channels = box ? 4 * c.settings.reg_max : c.settings.nc;
      c.shapes.push_back({n, h, w, channels});
      c.maps.push_back(
          test::to_nhwc(t.at(maps + (box ? "box_s" : "cls_s") + std::to_string(s)).floats(), n, channels, h, w));
    }
  }
  if (t.count(name + "batch_idx")) {
    const auto image = t.at(name + "batch_idx").floats(), cls = t.at(name + "cls").floats();
    const auto boxes = t.at(name + "bboxes").floats();
    for (std::size_t r = 0; r < image.size(); ++r) {
      c.targets.insert(c.targets.end(), {image[r], cls[r]});
      c.targets.insert(c.targets.end(), boxes.begin() + 4 * r, boxes.begin() + 4 * r + 4);
    }
  }
  if (json.contains("class_weights") && !json["class_weights"].is_null()) {
    c.settings.class_weights = json["class_weights"].get<std::vector<float>>();
  }
  return c;
}

/// Both branches of the end-to-end cases as well, with the assignment of a single head.
TEST(GoldenDetectionCriterion, TermsByOpsEqualTheKernelInEveryCase) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/loss/loss.safetensors"));
  const auto json = test::read_json(test::shared("golden/loss/loss.json"));
  for (const auto& c : json["cases"]) {
    const bool single = c["criterion"] == "detection";
    for (const std::string& branch : single ? std::vector<std::string>{""} : std::vector<std::string>{"o2m/", "o2o/"}) {
      SCOPED_TRACE(c["case"].get<std::string>() + "/" + branch);
      const Case read = read_case(tensors, c, branch);
      expect_same(run(ByOps(), read), run(DetectionCriterion(), read));
    }
  }
}

}  // namespace
}  // namespace boxcar
