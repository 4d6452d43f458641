#include "boxcar/trainers/metrics/matching.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "boxcar/trainers/metrics/box_iou.h"
#include "boxcar/trainers/metrics/confusion_matrix.h"
#include "support/golden.h"

namespace boxcar {
namespace {

TEST(Matching, ThePredictionThatComesFirstTakesTheLabel) {
  const std::vector<Box> predictions{{0, 0, 100, 70, 0.9f, 0}, {0, 0, 100, 98, 0.8f, 0}};
  const std::vector<TruthBox> truths{{0, 0, 100, 100, 0}};
  const auto verdicts = match_predictions(predictions, truths);
  EXPECT_TRUE(verdicts[0][4]);   // 0.70 at 0.70
  EXPECT_FALSE(verdicts[1][4]);  // taken
  EXPECT_TRUE(verdicts[1][5]);   // free again at 0.75
}

TEST(Matching, NothingMatchesNothing) {
  const std::vector<Box> predictions{{0, 0, 0, 0, 0.9f, 0}};
  EXPECT_TRUE(match_predictions({}, {}).empty());
  EXPECT_EQ(match_predictions(predictions, {}).at(0), TruePositives{});
  const std::vector<TruthBox> empty{{0, 0, 0, 0, 0}};
  EXPECT_EQ(match_predictions(predictions, empty).at(0), TruePositives{});
}

std::vector<Box> boxes_from(const nlohmann::json& rows) {
  std::vector<Box> out;
  for (const auto& r : rows) out.push_back({r[0], r[1], r[2], r[3], r[4], r[5].get<int>()});
  return out;
}
std::vector<TruthBox> truths_from(const nlohmann::json& rows) {
  std::vector<TruthBox> out;
  for (const auto& r : rows) out.push_back({r[1], r[2], r[3], r[4], r[0].get<int>()});
  return out;
}

TEST(Matching, GoldenCases) {
  BOXCAR_NEED_SHARED();
  const auto file = test::read_json(test::shared("golden/metrics/match.json"));
  for (int i = 0; i < kIouThresholdCount; ++i) {
    EXPECT_EQ(double{kIouThresholds[i]}, file["iou_thresholds_float32"][i].get<double>());
  }
  ASSERT_EQ(file["cases"].size(), 8u);
  for (const auto& c : file["cases"]) {
    SCOPED_TRACE(c["name"].get<std::string>());
    const auto predictions = boxes_from(c["det"]);
    const auto truths = truths_from(c["gt"]);
    for (std::size_t t = 0; t < truths.size(); ++t) {
      for (std::size_t p = 0; p < predictions.size(); ++p) {
        EXPECT_EQ(double{box_iou(truths[t], predictions[p])}, c["iou"][t][p].get<double>());
      }
    }
    const auto verdicts = match_predictions(predictions, truths);
    for (std::size_t p = 0; p < predictions.size(); ++p) {
      for (int i = 0; i < kIouThresholdCount; ++i) EXPECT_EQ(verdicts[p][i], c["tp"][p][i].get<int>() == 1);
    }
    ConfusionMatrix matrix(2);
    matrix.add(predictions, truths);
    ASSERT_EQ(c["confusion_conf25_iou45"].size(), 3u);
    for (int p = 0; p < 3; ++p) {
      for (int t = 0; t < 3; ++t) EXPECT_EQ(matrix.at(p, t), c["confusion_conf25_iou45"][p][t].get<int>());
    }
  }
}

TEST(BoxIou, GoldenPairs) {
  BOXCAR_NEED_SHARED();
  const auto t = test::read_golden(test::shared("golden/metrics/nms.safetensors"));
  const auto a = t.at("iou_a").floats(), b = t.at("iou_b").floats(), want = t.at("iou").floats();
  for (int i = 0; i < 40; ++i) {
    for (int j = 0; j < 50; ++j) {
      const TruthBox x{a[i * 4], a[i * 4 + 1], a[i * 4 + 2], a[i * 4 + 3], 0};
      const TruthBox y{b[j * 4], b[j * 4 + 1], b[j * 4 + 2], b[j * 4 + 3], 0};
      EXPECT_TRUE(std::abs(box_iou(x, y) - want[i * 50 + j]) <= 1e-6f);
    }
  }
}

}  // namespace
}  // namespace boxcar
