#include "boxcar/kernels/assign/assign.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "boxcar/runtime/base/error.h"
#include "support/golden.h"

namespace boxcar::kernels {
namespace {

/// Host memory for every output of an assignment.
struct Dense {
  Dense(int n, int anchors, int nc)
      : boxes(4 * n * anchors, -7),
        scores(n * anchors * nc, -7),
        weight(n * anchors, -7),
        ltrb(4 * n * anchors, -7),
        labels(n * anchors, -7),
        gt(n * anchors, -7),
        foreground(n * anchors, 7) {
    const auto view = [&](void* data, DType type, int c) { return TensorView{data, type, n, 1, anchors, c, c}; };
    result = {view(boxes.data(), DType::kF32, 4),  view(scores.data(), DType::kF32, nc),
              view(weight.data(), DType::kF32, 1), view(ltrb.data(), DType::kF32, 4),
              view(labels.data(), DType::kI32, 1), view(foreground.data(), DType::kU8, 1),
              view(gt.data(), DType::kI32, 1),     {&norm, DType::kF32, 1, 1, 1, 1, 1}};
  }
  std::vector<float> boxes, scores, weight, ltrb;
  std::vector<std::int32_t> labels, gt;
  std::vector<std::uint8_t> foreground;
  float norm = -7;
  AssignResult result;
};

TensorView table(std::vector<float>& v, int n, int rows, int columns) {
  return {v.data(), DType::kF32, n, 1, rows, columns, columns};
}

/// A 4 x 4 grid of stride 8 whose predictions are given per anchor.
struct Scene {
  Scene() {
    grid.add_level(4, 4, 8.0f);
    boxes.assign(64, 0.0f);
    scores.assign(16, 0.25f);
  }
  void predict(int anchor, BoxF b, float p) {
    boxes[4 * anchor] = b.x1, boxes[4 * anchor + 1] = b.y1, boxes[4 * anchor + 2] = b.x2, boxes[4 * anchor + 3] = b.y2;
    scores[anchor] = p;
  }
  Dense run(AssignOptions options, int threads = 1) {
    Stream stream(Device::cpu(), {.threads = threads});
    Dense out(1, 16, 1);
    task_aligned_assign(stream, {grid, table(boxes, 1, 16, 4), table(scores, 1, 16, 1),
                                 table(targets, 1, static_cast<int>(targets.size() / 6), 6), options, out.result});
    return out;
  }
  AnchorGrid grid;
  std::vector<float> boxes, scores, targets;
};

TEST(Assign, TheBestAnchorScoresItsOverlap) {
  Scene scene;
  scene.targets = {0, 0, 0, 0, 16, 16};
  scene.predict(0, {0, 0, 16, 16}, 0.81f);
  scene.predict(1, {0, 0, 16, 16}, 0.36f);
  const Dense out = scene.run({2, 2});
  EXPECT_EQ(out.foreground[0] + out.foreground[1], 2);
  EXPECT_NEAR(out.weight[0], 1.0f, 1e-6);
  EXPECT_NEAR(out.weight[1], 0.6f / 0.9f, 1e-6);  // metrics go with the root of the probability
  EXPECT_NEAR(out.norm, 1.0f + 0.6f / 0.9f, 1e-6);
  EXPECT_EQ(out.ltrb[0], 0.5f);
  EXPECT_EQ(out.ltrb[2], 1.5f);
}

TEST(Assign, AContestedAnchorGoesToTheLargestOverlap) {
  Scene scene;
  scene.targets = {0, 0, 0, 0, 16, 16, 0, 0, 0, 0, 16, 18};
  scene.predict(0, {0, 0, 16, 18}, 0.5f);
  const Dense out = scene.run({1, 1});
  EXPECT_EQ(out.gt[0], 1);
  EXPECT_NEAR(out.weight[0], 1.0f, 1e-6);
}

TEST(Assign, EqualMetricsTakeTheLowestAnchors) {
  Scene scene;
  scene.targets = {0, 0, 0, 0, 32, 32};
  for (int a = 0; a < 16; ++a) scene.predict(a, {0, 0, 32, 32}, 0.5f);
  const Dense out = scene.run({3, 3});
  for (int a = 0; a < 16; ++a) EXPECT_EQ(out.foreground[a], a < 3) << a;
}

TEST(Assign, SmallBoxesAreWidenedForCandidatesOnly) {
  Scene scene;  // one level: sides below 8 count as 8
  scene.targets = {0, 0, 7, 7, 8, 8};
  const Dense out = scene.run({16, 16});
  // The widened box is 3.5 .. 11.5: anchors 4 (in) and 12 (out). No overlap: a filler with score 0.
  EXPECT_EQ(out.foreground[0], 1);
  EXPECT_EQ(out.weight[0], 0.0f);
  EXPECT_EQ(out.foreground[5], 0);
}

TEST(Assign, ABoxFarToTheLeftIsIgnored) {
  Scene scene;
  scene.targets = {0, 0, -40, -40, 20, 20};
  scene.predict(0, {0, 0, 16, 16}, 0.9f);
  const Dense out = scene.run({10, 10});
  EXPECT_EQ(std::set(out.foreground.begin(), out.foreground.end()), std::set<std::uint8_t>{0});
  EXPECT_EQ(out.norm, 1.0f);
}

TEST(Assign, PaddingRowsAndNoObjects) {
  Scene scene;
  const Dense none = scene.run({10, 10});
  EXPECT_EQ(test::max_abs(none.scores), 0.0);
  EXPECT_EQ(test::max_abs(none.boxes), 0.0);
  scene.targets = {-1, 0, 0, 0, 16, 16};
  EXPECT_EQ(test::max_abs(scene.run({10, 10}).boxes), 0.0);
}

TEST(Assign, ValuesThatAreNotFiniteDoNoHarm) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  Scene scene;
  scene.targets = {0, 0, -inf, -5, inf, 20, 0, 0, nan, 0, 16, 16, 0, 0, 1e30f, 0, 2e30f, 16, 0, 0, 0, 0, 16, 16};
  for (int a = 0; a < 16; ++a) scene.predict(a, {nan, 0, inf, 16}, a % 2 ? nan : 0.5f);
  EXPECT_EQ(scene.run({4, 1}).foreground.size(), 16u);
}

TEST(Assign, RefusesBadRows) {
  Scene scene;
  scene.targets = {0, 1, 0, 0, 16, 16};
  EXPECT_THROW(scene.run({10, 10}), DataError);
  scene.targets = {3, 0, 0, 0, 16, 16};
  EXPECT_THROW(scene.run({10, 10}), DataError);
  scene.targets = {0, 0.5f, 0, 0, 16, 16};
  EXPECT_THROW(scene.run({10, 10}), DataError);
  scene.targets = {0, 0, 0, 0, 16, 16};
  EXPECT_THROW(scene.run({0, 10}), ArgumentError);
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

void check_case(const std::map<std::string, test::GoldenTensor>& t, const nlohmann::json& c, int threads) {
  const std::string scene = c["case"], mode = scene + "/" + c["mode"].get<std::string>();
  SCOPED_TRACE(mode + " threads " + std::to_string(threads));
  const int n = c["B"], anchors = c["A"], nc = c["nc"];
  auto boxes = t.at(scene + "/pd_bboxes").floats(), scores = t.at(scene + "/pd_scores").floats();
  auto rows = target_rows(t, scene);
  AnchorGrid grid;
  for (const int s : {8, 16, 32}) grid.add_level(96 / s, 128 / s, float(s));
  Stream stream(Device::cpu(), {.threads = threads});
  Dense out(n, anchors, nc);
  task_aligned_assign(stream, {grid,
                               table(boxes, n, anchors, 4),
                               table(scores, n, anchors, nc),
                               table(rows, 1, static_cast<int>(rows.size() / 6), 6),
                               {c["topk"], c["topk2"]},
                               out.result});

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

TEST(GoldenAssign, EveryScene) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/loss/assigner.safetensors"));
  const auto json = test::read_json(test::shared("golden/loss/assigner.json"));
  for (const auto& c : json["cases"]) {
    for (const int threads : {1, 2}) check_case(tensors, c, threads);
  }
}

}  // namespace
}  // namespace boxcar::kernels
