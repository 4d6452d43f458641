#include "boxcar/kernels/assign/assign.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::run_on;

/// Memory on the device for every output of an assignment, filled with what must be overwritten.
class Results {
 public:
  Results(Stream& stream, int n, int anchors, int nc) {
    const auto table = [&](int columns, DType type) {
      const Tensor t = Tensor::empty(stream, {n, 1, anchors, columns}, type);
      stream.fill(t.view().data, 0x55, static_cast<std::size_t>(t.count()) * size_of(type));
      return t;
    };
    boxes_ = table(4, DType::kF32), scores_ = table(nc, DType::kF32), weight_ = table(1, DType::kF32);
    ltrb_ = table(4, DType::kF32), labels_ = table(1, DType::kI32), foreground_ = table(1, DType::kU8);
    gt_ = table(1, DType::kI32), norm_ = test::unwritten(stream, {});
  }
  AssignResult views() const { return {boxes_, scores_, weight_, ltrb_, labels_, foreground_, gt_, norm_}; }
  std::vector<float> read(Stream& stream) const {
    std::vector<float> all;
    for (const Tensor* t : {&boxes_, &scores_, &weight_, &ltrb_, &labels_, &foreground_, &gt_, &norm_}) {
      test::append(all, t->to_host(stream));
    }
    return all;
  }

 private:
  Tensor boxes_, scores_, weight_, ltrb_, labels_, foreground_, gt_, norm_;
};

/// What Results::read() returns, taken apart.
struct Dense {
  Dense(const std::vector<float>& all, int n, int anchors, int nc) {
    std::size_t at = 0;
    for (const auto& [to, columns] :
         {std::pair{&boxes, 4}, {&scores, nc}, {&weight, 1}, {&ltrb, 4}, {&labels, 1}, {&foreground, 1}, {&gt, 1}}) {
      const auto count = static_cast<std::size_t>(n) * anchors * columns;
      to->assign(all.begin() + at, all.begin() + at + count);
      at += count;
    }
    norm = all.at(at);
  }
  std::vector<float> boxes, scores, weight, ltrb, labels, foreground, gt;
  float norm = -7;
};

Tensor rows_of(Stream& stream, const std::vector<float>& rows) {
  return test::tensor_of(stream, {1, 1, static_cast<int>(rows.size() / 6), 6}, rows);
}

/// A grid whose predictions are given per anchor: by default 4 x 4 cells of stride 8.
struct Scene {
  Scene() { add_level(4, 4, 8.0f); }
  explicit Scene(int images, int classes) : n(images), nc(classes) {}
  void add_level(int h, int w, float stride) {
    grid.add_level(h, w, stride);
    boxes.assign(4 * n * grid.count(), 0.0f);
    scores.assign(n * grid.count() * nc, 0.25f);
  }
  void predict(int anchor, BoxF b, float p) {
    boxes[4 * anchor] = b.x1, boxes[4 * anchor + 1] = b.y1, boxes[4 * anchor + 2] = b.x2, boxes[4 * anchor + 3] = b.y2;
    scores[anchor] = p;
  }
  std::vector<float> issue(Stream& stream, AssignOptions options) const {
    const int anchors = static_cast<int>(grid.count());
    const Results results(stream, n, anchors, nc);
    task_aligned_assign(stream, {grid, test::tensor_of(stream, {n, 1, anchors, 4}, boxes),
                                 test::tensor_of(stream, {n, 1, anchors, nc}, scores), rows_of(stream, targets),
                                 options, results.views()});
    return results.read(stream);
  }
  Dense run(Device device, AssignOptions options) const {
    return {run_on(device, [&](Stream& stream) { return issue(stream, options); }), n, static_cast<int>(grid.count()),
            nc};
  }
  int n = 1, nc = 1;
  AnchorGrid grid{};
  std::vector<float> boxes{}, scores{}, targets{};
};

class AssignTest : public test::BackendTest {};

TEST_P(AssignTest, TheBestAnchorScoresItsOverlap) {
  Scene scene;
  scene.targets = {0, 0, 0, 0, 16, 16};
  scene.predict(0, {0, 0, 16, 16}, 0.81f);
  scene.predict(1, {0, 0, 16, 16}, 0.36f);
  const Dense out = scene.run(device(), {2, 2});
  EXPECT_EQ(out.foreground[0] + out.foreground[1], 2);
  EXPECT_NEAR(out.weight[0], 1.0f, 1e-6);
  EXPECT_NEAR(out.weight[1], 0.6f / 0.9f, 1e-6);  // metrics go with the root of the probability
  EXPECT_NEAR(out.norm, 1.0f + 0.6f / 0.9f, 1e-6);
  EXPECT_EQ(out.ltrb[0], 0.5f);
  EXPECT_EQ(out.ltrb[2], 1.5f);
}

TEST_P(AssignTest, AContestedAnchorGoesToTheLargestOverlap) {
  Scene scene;
  scene.targets = {0, 0, 0, 0, 16, 16, 0, 0, 0, 0, 16, 18};
  scene.predict(0, {0, 0, 16, 18}, 0.5f);
  const Dense out = scene.run(device(), {1, 1});
  EXPECT_EQ(out.gt[0], 1);
  EXPECT_NEAR(out.weight[0], 1.0f, 1e-6);
}

TEST_P(AssignTest, EqualMetricsTakeTheLowestAnchors) {
  Scene scene;
  scene.targets = {0, 0, 0, 0, 32, 32};
  for (int a = 0; a < 16; ++a) scene.predict(a, {0, 0, 32, 32}, 0.5f);
  const Dense out = scene.run(device(), {3, 3});
  for (int a = 0; a < 16; ++a) EXPECT_EQ(out.foreground[a], a < 3) << a;
}

TEST_P(AssignTest, SmallBoxesAreWidenedForCandidatesOnly) {
  Scene scene;  // one level: sides below 8 count as 8
  scene.targets = {0, 0, 7, 7, 8, 8};
  const Dense out = scene.run(device(), {16, 16});
  // The widened box is 3.5 .. 11.5: anchors 4 (in) and 12 (out). No overlap: a filler with score 0.
  EXPECT_EQ(out.foreground[0], 1);
  EXPECT_EQ(out.weight[0], 0.0f);
  EXPECT_EQ(out.foreground[5], 0);
}

TEST_P(AssignTest, ABoxFarToTheLeftIsIgnored) {
  Scene scene;
  scene.targets = {0, 0, -40, -40, 20, 20};
  scene.predict(0, {0, 0, 16, 16}, 0.9f);
  const Dense out = scene.run(device(), {10, 10});
  EXPECT_EQ(std::set(out.foreground.begin(), out.foreground.end()), std::set<float>{0});
  EXPECT_EQ(out.norm, 1.0f);
}

TEST_P(AssignTest, PaddingRowsAndNoObjects) {
  Scene scene;
  const Dense none = scene.run(device(), {10, 10});
  EXPECT_EQ(test::max_abs(none.scores), 0.0);
  EXPECT_EQ(test::max_abs(none.boxes), 0.0);
  scene.targets = {-1, 0, 0, 0, 16, 16};
  EXPECT_EQ(test::max_abs(scene.run(device(), {10, 10}).boxes), 0.0);
}

TEST_P(AssignTest, ValuesThatAreNotFiniteDoNoHarm) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  Scene scene;
  scene.targets = {0, 0, -inf, -5, inf, 20, 0, 0, nan, 0, 16, 16, 0, 0, 1e30f, 0, 2e30f, 16, 0, 0, 0, 0, 16, 16};
  for (int a = 0; a < 16; ++a) scene.predict(a, {nan, 0, inf, 16}, a % 2 ? nan : 0.5f);
  EXPECT_EQ(scene.run(device(), {4, 1}).foreground.size(), 16u);
}

TEST_P(AssignTest, RefusesBadRows) {
  const auto refused = [&](const std::vector<float>& row) {
    Scene scene;
    scene.targets = row;
    scene.predict(0, {0, 0, 16, 16}, 0.9f);
    // The rows of a device are not seen by the host: there the result says it.
    if (device().is_cuda()) return std::isnan(scene.run(device(), {10, 10}).norm);
    EXPECT_THROW(scene.issue(stream(), {10, 10}), DataError);
    return true;
  };
  EXPECT_TRUE(refused({0, 1, 0, 0, 16, 16}));
  EXPECT_TRUE(refused({3, 0, 0, 0, 16, 16}));
  EXPECT_TRUE(refused({0, 0.5f, 0, 0, 16, 16}));
  EXPECT_TRUE(refused({std::nanf(""), 0, 0, 0, 16, 16}));
  Scene scene;
  scene.targets = {0, 0, 0, 0, 16, 16};
  EXPECT_THROW(scene.issue(stream(), {0, 10}), ArgumentError);
  EXPECT_THROW(scene.issue(stream(), {10, kMaxTopk + 1}), ArgumentError);
}

/// Uniform in 0..1.
struct Uniform {
  std::uint32_t state;
  float operator()() { return float((state = state * 1664525u + 1013904223u) >> 8) / float(1 << 24); }
};

/// Three images, the second without objects, of three levels; the table in no order, with padding rows in it.
Scene crowd(int objects, int classes, std::uint32_t seed) {
  Scene scene(3, classes);
  scene.add_level(12, 10, 8), scene.add_level(6, 5, 16), scene.add_level(3, 3, 32);
  Uniform next{seed};
  for (std::size_t i = 0; i < scene.scores.size(); ++i) scene.scores[i] = next();
  const auto anchors = scene.grid.count();
  for (std::int64_t i = 0; i < scene.n * anchors; ++i) {
    const AnchorPoint p = scene.grid.point(i % anchors);
    for (int k = 0; k < 4; ++k) {
      const float side = 4.0f + 30.0f * next();
      scene.boxes[4 * i + k] = (k % 2 == 0 ? p.x : p.y) * p.stride + (k < 2 ? -side : side);
    }
  }
  for (int i = 0; i < objects; ++i) {
    const float image = i % 7 == 3 ? -1.0f : (next() < 0.5f ? 0.0f : 2.0f), x = 80 * next(), y = 90 * next();
    const float w = 1.0f + 40 * next() * next(), h = 1.0f + 40 * next() * next();
    scene.targets.insert(scene.targets.end(), {image, float(i % classes), x - w, y - h, x + w, y + h});
  }
  return scene;
}

// Scores are quotients of products of about 12 factors, each off by an ulp or two on another device: 64 roundings.
TEST_P(AssignTest, EqualsTheCpusOnCrowds) {
  for (const int objects : {1, 40, 300}) {
    for (const AssignOptions options : {AssignOptions{10, 10}, {7, 1}, {1, 1}, {100, 3}}) {
      if (objects == 300 && options.topk != 10) continue;
      SCOPED_TRACE(std::to_string(objects) + " objects, topk " + std::to_string(options.topk));
      const Scene scene = crowd(objects, 3, 17 + objects);
      Stream cpu;
      const Dense want(scene.issue(cpu, options), 3, static_cast<int>(scene.grid.count()), 3);
      const Dense got = scene.run(device(), options);
      EXPECT_EQ(got.foreground, want.foreground);
      EXPECT_EQ(got.gt, want.gt);
      EXPECT_EQ(got.labels, want.labels);
      EXPECT_EQ(got.boxes, want.boxes);
      EXPECT_EQ(got.ltrb, want.ltrb);
      EXPECT_TRUE(test::max_difference(got.scores, want.scores) <= 64 * 0x1p-24);
      EXPECT_TRUE(test::max_difference(got.weight, want.weight) <= 64 * 0x1p-24);
      EXPECT_NEAR(got.norm, want.norm, 64 * 0x1p-24 * want.norm);
    }
  }
}

/// Ground truths of a golden scene as a table; padding rows keep their places.
std::vector<float> target_rows(const std::map<std::string, test::GoldenTensor>& t, const std::string& scene) {
  std::vector<float> rows;
  if (!t.count(scene + "/gt_bboxes")) return rows;
  const auto boxes = t.at(scene + "/gt_bboxes").floats(), labels = t.at(scene + "/gt_labels").floats();
  const auto per_image = t.at(scene + "/gt_bboxes").shape[1];
  for (std::size_t r = 0; r < labels.size(); ++r) {
    rows.insert(rows.end(), {float(std::int64_t(r) / per_image), labels[r]});
    rows.insert(rows.end(), boxes.begin() + 4 * r, boxes.begin() + 4 * r + 4);
  }
  return rows;
}

void check_case(Device device, const std::map<std::string, test::GoldenTensor>& t, const nlohmann::json& c) {
  const std::string name = c["case"], mode = name + "/" + c["mode"].get<std::string>();
  SCOPED_TRACE(mode);
  const int n = c["B"], anchors = c["A"], nc = c["nc"];
  Scene scene(n, nc);
  for (const int s : {8, 16, 32}) scene.add_level(96 / s, 128 / s, float(s));
  scene.boxes = t.at(name + "/pd_bboxes").floats();
  scene.scores = t.at(name + "/pd_scores").floats();
  scene.targets = target_rows(t, name);
  const Dense out = scene.run(device, {c["topk"], c["topk2"]});

  const bool tied = t.count(mode + "/lowest_index_first/target_scores") != 0;
  const std::string wanted = tied ? mode + "/lowest_index_first" : mode;
  const auto want_scores = t.at(wanted + "/target_scores").floats();
  EXPECT_TRUE(test::max_difference(out.scores, want_scores) <= 5e-6);
  const auto fg = t.at(wanted + "/fg_mask").integers(), gt = t.at(wanted + "/target_gt_idx").integers();
  const auto target = t.at(mode + "/target_bboxes").floats();
  for (int i = 0; i < n * anchors; ++i) {
    EXPECT_EQ(out.foreground[i], fg[i]) << i;
    const float* row = want_scores.data() + i * nc;
    if (std::all_of(row, row + nc, [](float v) { return v == 0.0f; })) continue;
    EXPECT_EQ(out.gt[i], gt[i]) << i;
    if (tied) continue;
    for (int k = 0; k < 4; ++k) EXPECT_EQ(out.boxes[4 * i + k], target[4 * i + k]) << i;
  }
}

TEST_P(AssignTest, EveryGoldenScene) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/loss/assigner.safetensors"));
  const auto json = test::read_json(test::shared("golden/loss/assigner.json"));
  for (const auto& c : json["cases"]) check_case(device(), tensors, c);
}

INSTANTIATE_ON_BACKENDS(AssignTest);

}  // namespace
}  // namespace boxcar::kernels
