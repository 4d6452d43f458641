#include "boxcar/kernels/loss/detection_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "boxcar/kernels/assign/assign.h"
#include "boxcar/kernels/loss/decode.h"
#include "boxcar/kernels/loss/distance_math.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/random/philox.h"
#include "support/golden.h"

namespace boxcar::kernels {
namespace {

TensorView view(std::vector<float>& v, int n, int h, int w, int c) { return {v.data(), DType::kF32, n, h, w, c, c}; }

/// Head maps of one branch with their gradients and the loss of one call.
struct Head {
  struct Level {
    int h, w;
    float stride;
    std::vector<float> box, cls, box_grad, cls_grad;
  };
  int n = 1, nc = 1, reg_max = 16;
  std::vector<Level> levels{};
  std::vector<float> targets{}, class_weights{};
  std::vector<float> items = std::vector<float>(3, -7), loss = std::vector<float>(3, -7);

  void add(int h, int w, float stride) {
    const auto cells = static_cast<std::size_t>(n) * h * w;
    levels.push_back({h, w, stride, std::vector<float>(cells * 4 * reg_max), std::vector<float>(cells * nc), {}, {}});
  }
  DetectionLevels views() {
    DetectionLevels out;
    for (Level& l : levels)
      out.push_back({view(l.box, n, l.h, l.w, 4 * reg_max), view(l.cls, n, l.h, l.w, nc), l.stride});
    return out;
  }
  void run(AssignOptions assign = {}, int threads = 1, float grad_scale = 1.0f) {
    DetectionLossArgs args{.levels = views(), .reg_max = reg_max};
    args.targets = view(targets, 1, 1, static_cast<int>(targets.size() / 6), 6);
    if (!class_weights.empty()) args.class_weights = view(class_weights, 1, 1, 1, nc);
    for (Level& l : levels) {
      l.box_grad.assign(l.box.size(), 1e30f);
      l.cls_grad.assign(l.cls.size(), 1e30f);
      args.grads.push_back({view(l.box_grad, n, l.h, l.w, 4 * reg_max), view(l.cls_grad, n, l.h, l.w, nc)});
    }
    args.assign = assign;
    args.grad_scale = grad_scale;
    args.items = view(items, 1, 1, 1, 3);
    args.loss = view(loss, 1, 1, 1, 3);
    Stream stream(Device::cpu(), {.threads = threads});
    detection_loss(stream, args);
  }
  void randomise(std::uint32_t seed) {
    std::uint32_t state = seed;
    const auto next = [&] { return float((state = state * 1664525u + 1013904223u) >> 8) / float(1 << 24); };
    for (Level& l : levels) {
      for (float& v : l.box) v = reg_max == 1 ? 2 * next() : 3 * next();
      for (float& v : l.cls) v = 4 * next() - 3;
    }
    for (int i = 0; i < 5 * n; ++i) {
      targets.insert(targets.end(), {float(i % n), float(i % nc), 0.2f + 0.6f * next(), 0.2f + 0.6f * next(),
                                     0.05f + 0.5f * next(), 0.05f + 0.5f * next()});
    }
  }
};

TEST(DetectionLoss, NoObjectsLeaveTheClassTerm) {
  Head head{.n = 2, .nc = 3};
  head.add(2, 2, 8);
  head.run();
  EXPECT_EQ(head.loss[0], 0.0f);
  EXPECT_NEAR(head.items[1], 0.5 * 2 * 4 * 3 * std::log(2.0), 1e-5);  // softplus(0) a logit
  EXPECT_NEAR(head.loss[1], 2 * head.items[1], 1e-5);
  EXPECT_EQ(test::max_abs(head.levels[0].box_grad), 0.0);
  for (const float g : head.levels[0].cls_grad) EXPECT_FLOAT_EQ(g, 0.5f * 2 * 0.5f);
}

TEST(DetectionLoss, OneAnchorByHand) {
  // A 1 x 1 map of stride 8, one box 8 x 8 predicted exactly: CIoU 1 (to the epsilons), score 1, probability 1/2.
  Head head{.n = 1, .nc = 1, .reg_max = 1};
  head.add(1, 1, 8);
  head.levels[0].box = {0.5f, 0.5f, 0.5f, 0.5f};
  head.targets = {0, 0, 0.5f, 0.5f, 1, 1};
  head.run();
  EXPECT_NEAR(head.items[0], 0.0, 1e-5);
  EXPECT_NEAR(head.items[1], 0.5 * std::log(2.0), 1e-5);
  EXPECT_NEAR(head.items[2], 0.0, 1e-6);
  EXPECT_NEAR(head.levels[0].cls_grad[0], 0.5 * (0.5 - 1.0), 1e-5);
}

TEST(DetectionLoss, L1ByHand) {
  // The left side predicted 0.25 cells too far out: a quarter of |0.25| * 8 / 8 (one cell wide), times 1.5 and the
  // score. The score is the overlap o itself (metric / metric * overlap), the sum of scores below 1 counts as 1.
  Head head{.n = 1, .nc = 1, .reg_max = 1};
  head.add(1, 1, 8);
  head.levels[0].box = {0.75f, 0.5f, 0.5f, 0.5f};
  head.targets = {0, 0, 0.5f, 0.5f, 1, 1};
  head.run();
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

TEST(DetectionLoss, GradScaleScalesGradientsOnly) {
  Head a{.n = 2, .nc = 3}, b{.n = 2, .nc = 3};
  for (Head* head : {&a, &b}) {
    head->add(8, 8, 8), head->add(4, 4, 16);
    head->randomise(5);
  }
  a.run();
  b.run({}, 1, 0.25f);
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

TEST(DetectionLoss, TheSameBitsForAnyNumberOfThreads) {
  for (const int reg_max : {1, 16}) {
    std::vector<Head> runs;
    for (const int threads : {1, 2, 3}) {
      Head head{.n = 3, .nc = 40, .reg_max = reg_max};
      head.add(24, 20, 8), head.add(12, 10, 16), head.add(6, 5, 32);
      head.randomise(11);
      head.run({}, threads);
      runs.push_back(head);
    }
    for (int k : {1, 2}) {
      EXPECT_EQ(runs[0].loss, runs[k].loss);
      for (int l = 0; l < 3; ++l) {
        EXPECT_EQ(runs[0].levels[l].box_grad, runs[k].levels[l].box_grad);
        EXPECT_EQ(runs[0].levels[l].cls_grad, runs[k].levels[l].cls_grad);
      }
    }
  }
}

TEST(DetectionLoss, RowOrderAndPaddingDoNotMatter) {
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
  a.run();
  b.run();
  EXPECT_EQ(a.loss, b.loss);
}

TEST(DetectionLoss, LargeLogitsAndTargetsOutsideStayFinite) {
  Head head{.n = 1, .nc = 2};
  head.add(4, 4, 8);
  head.levels[0].cls[0] = 1e4f;
  head.levels[0].cls[1] = -1e4f;
  head.levels[0].box[3] = 300.0f;
  head.targets = {0, 1, -3, -3, 9, 9, 0, 0, 0.5f, 0.5f, 0, 0, 0, 0, 0.5f, 0.5f, 1e-4f, 5};
  head.run();
  for (const float v : head.loss) EXPECT_TRUE(std::isfinite(v));
  EXPECT_TRUE(std::isfinite(test::max_abs(head.levels[0].box_grad)));
}

TEST(DetectionLoss, NanShowsInTheResult) {
  Head head{.n = 1, .nc = 2};
  head.add(4, 4, 8);
  head.targets = {0, 1, 0.5f, 0.5f, 0.5f, 0.5f};
  head.levels[0].cls[5] = std::nanf("");
  head.run();
  EXPECT_TRUE(std::isnan(head.loss[1]));
  head.levels[0].cls[5] = 0;
  for (float& v : head.levels[0].box) v = std::nanf("");
  head.run();
  EXPECT_TRUE(std::isnan(head.loss[0]));
}

TEST(DetectionLoss, RefusesWhatDoesNotFit) {
  Head head{.n = 1, .nc = 2};
  head.add(4, 4, 8);
  head.targets = {0, 2, 0.5f, 0.5f, 0.5f, 0.5f};
  EXPECT_THROW(head.run(), DataError);
  head.targets[1] = 1;
  EXPECT_THROW(head.run({0, 1}), ArgumentError);
  Stream stream;
  DetectionLossArgs args{.levels = head.views(), .reg_max = 8};
  EXPECT_THROW(detection_loss(stream, args), ShapeError);
  args.reg_max = 0;
  EXPECT_THROW(detection_loss(stream, args), ShapeError);
  EXPECT_THROW(detection_loss(stream, {}), ShapeError);
}

TEST(Decode, ByHand) {
  Head head{.n = 1, .nc = 1, .reg_max = 1};
  head.add(1, 2, 8);
  head.levels[0].box = {0.5f, 0.5f, 1.5f, 0.5f, 1, 1, 1, 1};
  std::vector<float> out(10, -7);
  Stream stream;
  decode_predictions(stream, {head.views(), 1, BoxFormat::kCentreSize, view(out, 1, 1, 2, 5)});
  EXPECT_EQ(out, (std::vector<float>{8, 4, 16, 8, 0.5f, 12, 4, 16, 16, 0.5f}));
  decode_predictions(stream, {head.views(), 1, BoxFormat::kCorners, view(out, 1, 1, 2, 5)});
  EXPECT_EQ(out, (std::vector<float>{0, 0, 16, 8, 0.5f, 4, -4, 20, 12, 0.5f}));
  EXPECT_THROW(decode_predictions(stream, {head.views(), 1, BoxFormat::kCorners, view(out, 1, 1, 1, 5)}), ShapeError);
}

// ---- golden

using Tensors = std::map<std::string, test::GoldenTensor>;

constexpr int kStrides[] = {8, 16, 32};

Head read_head(const Tensors& t, const nlohmann::json& c, const std::string& branch) {
  const std::string name = c["case"].get<std::string>() + "/", maps = name + branch;
  Head head{.n = c["B"], .nc = c["nc"], .reg_max = c["reg_max"]};
  for (const int s : kStrides) {
    const int h = c["image_hw"][0].get<int>() / s, w = c["image_hw"][1].get<int>() / s;
    head.add(h, w, float(s));
    auto& level = head.levels.back();
    const std::string suffix = "s" + std::to_string(s);
    level.box = test::to_nhwc(t.at(maps + "box_" + suffix).floats(), head.n, 4 * head.reg_max, h, w);
    level.cls = test::to_nhwc(t.at(maps + "cls_" + suffix).floats(), head.n, head.nc, h, w);
  }
  if (t.count(name + "batch_idx")) {
    const auto image = t.at(name + "batch_idx").floats(), cls = t.at(name + "cls").floats();
    const auto boxes = t.at(name + "bboxes").floats();
    for (std::size_t r = 0; r < image.size(); ++r) {
      head.targets.insert(head.targets.end(), {image[r], cls[r]});
      head.targets.insert(head.targets.end(), boxes.begin() + 4 * r, boxes.begin() + 4 * r + 4);
    }
  }
  if (c.contains("class_weights") && !c["class_weights"].is_null()) {
    head.class_weights = c["class_weights"].get<std::vector<float>>();
  }
  return head;
}

/// Worst difference of the gradients of one kind over the levels, relative to the largest of the case.
void compare_grads(const Tensors& t, const std::string& prefix, const Head& head) {
  for (const bool box : {true, false}) {
    double worst = 0, largest = 0;
    for (const auto& level : head.levels) {
      const auto name = prefix + (box ? "box_s" : "cls_s") + std::to_string(int(level.stride)) + ".grad";
      const auto want = test::to_nhwc(t.at(name).floats(), head.n, box ? 4 * head.reg_max : head.nc, level.h, level.w);
      worst = std::max(worst, test::max_difference(box ? level.box_grad : level.cls_grad, want));
      largest = std::max(largest, test::max_abs(want));
    }
    EXPECT_TRUE(worst <= 1e-5 * largest) << prefix << (box ? " box " : " cls ") << worst << " of " << largest;
  }
}

void compare_vector(const std::vector<float>& got, const std::vector<float>& want, const char* what) {
  EXPECT_TRUE(test::max_difference(got, want) <= 2e-6 * test::max_abs(want))
      << what << ": " << test::max_difference(got, want) << " of " << test::max_abs(want);
}

std::vector<float> golden_items(const nlohmann::json& c) {
  const auto& items = c["items"];
  return {items["box_loss"], items["cls_loss"], c["reg_max"] == 1 ? items["l1_loss"] : items["dfl_loss"]};
}

/// Assignment and decoded boxes of a branch against the stored ones.
void compare_assignment(const Tensors& t, const nlohmann::json& c, const std::string& branch, Head& head,
                        AssignOptions options, bool exact) {
  const std::string prefix = c["case"].get<std::string>() + "/" + branch;
  const auto fg = t.at(prefix + "fg_mask").integers(), gt = t.at(prefix + "target_gt_idx").integers();
  const int anchors = static_cast<int>(fg.size()) / head.n;
  std::vector<std::uint8_t> foreground(fg.size());
  std::vector<std::int32_t> index(fg.size());
  std::vector<float> weight(fg.size()), decoded(fg.size() * (4 + head.nc));
  DetectionAssignArgs args{.levels = head.views(), .reg_max = head.reg_max, .options = options};
  args.targets = view(head.targets, 1, 1, static_cast<int>(head.targets.size() / 6), 6);
  args.result.foreground = {foreground.data(), DType::kU8, head.n, 1, anchors, 1, 1};
  args.result.gt_index = {index.data(), DType::kI32, head.n, 1, anchors, 1, 1};
  args.result.weight = view(weight, head.n, 1, anchors, 1);
  Stream stream;
  detection_assign(stream, args);
  decode_predictions(stream,
                     {head.views(), head.reg_max, BoxFormat::kCorners, view(decoded, head.n, 1, anchors, 4 + head.nc)});
  const auto boxes = t.at(prefix + "pred_bboxes_px").floats();
  double box_error = 0;
  for (std::size_t i = 0; i < fg.size(); ++i) {
    if (exact || weight[i] > 0) {
      EXPECT_EQ(foreground[i], fg[i]) << prefix << i;
      EXPECT_EQ(index[i], gt[i]) << prefix << i;
    }
    for (int k = 0; k < 4; ++k) {
      box_error = std::max(box_error, std::abs(double{boxes[4 * i + k]} - double{decoded[i * (4 + head.nc) + k]}));
    }
  }
  EXPECT_TRUE(box_error <= 2e-5 * test::max_abs(boxes)) << prefix << box_error;
}

void check_single(const Tensors& t, const nlohmann::json& c) {
  const std::string name = c["case"];
  SCOPED_TRACE(name);
  Head head = read_head(t, c, "");
  const AssignOptions options{c["topk"], c["topk2"]};
  head.run(options, 2);
  compare_vector(head.loss, t.at(name + "/loss_vector").floats(), "loss");
  compare_vector(head.items, golden_items(c), "items");
  compare_grads(t, name + "/", head);
  compare_assignment(t, c, "", head, options, !c["tie_order_changes_fg"].get<bool>());
}

/// Both branches weighted; the items reported are one2one's, or the sum in the older criterion.
void check_end_to_end(const Tensors& t, const nlohmann::json& c) {
  const std::string name = c["case"].get<std::string>() + "/epochs" + std::to_string(c["epochs"].get<int>()) +
                           "_epoch" + std::to_string(c["epoch"].get<int>()) + "/";
  SCOPED_TRACE(name);
  std::vector<float> loss(3, 0.0f), items(3, 0.0f);
  for (const std::string branch : {"o2m", "o2o"}) {
    Head head = read_head(t, c, branch + "/");
    const AssignOptions options{c["topk_" + branch], c["topk2_" + branch]};
    const float weight = c["weight_" + branch];
    head.run(options, 2, weight);
    const bool reported = branch == "o2o" || c["criterion"] == "E2EDetectLoss";
    for (int k = 0; k < 3; ++k) {
      loss[k] += weight * head.loss[k];
      items[k] += reported ? head.items[k] : 0.0f;
    }
    compare_grads(t, name + branch + "/", head);
    compare_assignment(t, c, branch + "/", head, options, !c["tie_order_changes_fg"][branch].get<bool>());
  }
  compare_vector(loss, t.at(name + "loss_vector").floats(), "loss");
  compare_vector(items, golden_items(c), "items");
}

TEST(GoldenDetectionLoss, EveryCase) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/loss/loss.safetensors"));
  const auto json = test::read_json(test::shared("golden/loss/loss.json"));
  for (const auto& c : json["cases"]) {
    c["criterion"] == "detection" ? check_single(tensors, c) : check_end_to_end(tensors, c);
  }
}

}  // namespace
}  // namespace boxcar::kernels
