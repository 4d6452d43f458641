#include <gtest/gtest.h>

#include <cmath>

#include "boxcar/trainers/metrics/confusion_matrix.h"
#include "boxcar/trainers/metrics/det_metrics.h"
#include "trainers/metrics_golden.h"

namespace boxcar {
namespace {

constexpr double kTolerance = 1e-9;
using Json = nlohmann::json;

class ApGolden : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    BOXCAR_NEED_SHARED();
    tensors = test::read_golden(test::shared("golden/metrics/ap.safetensors"));
    want = test::read_json(test::shared("golden/metrics/ap.json"))["cases"][GetParam()];
    images = test::golden_images(tensors, GetParam(), want["images"].get<int>());
  }
  DetMetrics measured() const {
    DetMetricsBuilder builder(want["nc"].get<int>());
    for (std::size_t i = 0; i < images.size(); ++i) {
      const auto number = std::to_string(i);
      builder.add(std::string(3 - number.size(), '0') + number + ".jpg", images[i].predictions, images[i].truths);
    }
    return builder.build();
  }
  void expect_curve(const char* name, int row, const std::vector<double>& got) const {
    const auto all = tensors.at(GetParam() + "." + name).doubles();
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_TRUE(std::abs(got[i] - all[row * got.size() + i]) <= kTolerance) << name << " " << row << " " << i;
    }
  }

  std::map<std::string, test::GoldenTensor> tensors;
  Json want;
  std::vector<test::GoldenImage> images;
};

void expect_near(double got, const Json& value) {
  EXPECT_TRUE(std::abs(got - value.get<double>()) <= kTolerance) << got << " not " << value;
}

TEST_P(ApGolden, TruePositives) {
  const auto tp = tensors.at(GetParam() + ".tp").integers();
  std::size_t i = 0;
  for (const test::GoldenImage& image : images) {
    for (const TruePositives& verdict : match_predictions(image.predictions, image.truths)) {
      for (const bool right : verdict) ASSERT_EQ(right, tp.at(i++) != 0);
    }
  }
  EXPECT_EQ(i, tp.size());
}

TEST_P(ApGolden, Summary) {
  const DetMetrics m = measured();
  expect_near(m.precision, want["mean"]["precision"]);
  expect_near(m.recall, want["mean"]["recall"]);
  expect_near(m.map50, want["mean"]["mAP50"]);
  expect_near(m.map, want["mean"]["mAP50-95"]);
  expect_near(m.map75, want["map75"]);
  expect_near(m.fitness(), want["fitness"]);
  ASSERT_EQ(m.maps.size(), want["maps"].size());
  for (std::size_t c = 0; c < m.maps.size(); ++c) expect_near(m.maps[c], want["maps"][c]);
  EXPECT_EQ(m.operating_index.has_value(), !want["best_f1_index"].is_null());
  if (m.operating_index) {
    EXPECT_EQ(*m.operating_index, want["best_f1_index"].get<int>());
  }
  EXPECT_EQ(m.image_count, want["images"].get<int>());
}

TEST_P(ApGolden, Classes) {
  const DetMetrics m = measured();
  const Json& classes = want["classes_with_labels"];
  ASSERT_EQ(m.classes.size(), classes.size());
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const ClassMetrics& c = m.classes[i];
    EXPECT_EQ(c.cls, classes[i].get<int>());
    EXPECT_EQ(c.labels, want["labels_per_class"][c.cls].get<int>());
    EXPECT_EQ(c.images, want["images_per_class"][c.cls].get<int>());
    expect_near(c.precision, want["precision"][i]);
    expect_near(c.recall, want["recall"][i]);
    expect_near(c.f1, want["f1"][i]);
    expect_near(c.ap50, want["ap50"][i]);
    expect_near(c.ap, want["ap"][i]);
  }
}

TEST_P(ApGolden, Curves) {
  const DetMetrics m = measured();
  for (std::size_t i = 0; i < m.curves.size(); ++i) {
    const ClassCurves& c = m.curves[i];
    const int row = static_cast<int>(i);
    expect_curve("ap", row, {c.ap.begin(), c.ap.end()});
    expect_curve("p_curve", row, c.precision);
    expect_curve("r_curve", row, c.recall);
    expect_curve("f1_curve", row, c.f1);
    expect_curve("pr_values", row, c.precision_over_recall);
  }
}

TEST_P(ApGolden, Images) {
  const DetMetrics m = measured();
  ASSERT_EQ(m.images.size(), want["image_metrics"].size());
  for (const ImageMetrics& image : m.images) {
    const Json& w = want["image_metrics"].at(image.name);
    expect_near(image.precision, w["precision"]);
    expect_near(image.recall, w["recall"]);
    expect_near(image.f1, w["f1"]);
    EXPECT_EQ(image.tp, w["tp"].get<int>());
    EXPECT_EQ(image.fp, w["fp"].get<int>());
    EXPECT_EQ(image.fn, w["fn"].get<int>());
  }
}

TEST_P(ApGolden, ConfusionMatrices) {
  ASSERT_EQ(want["confusion"].size(), 2u);
  for (const auto& [conf, cells] : want["confusion"].items()) {
    ConfusionMatrix matrix(want["nc"].get<int>(), {.conf = std::stof(conf)});
    for (const test::GoldenImage& image : images) matrix.add(image.predictions, image.truths);
    for (int p = 0; p < matrix.side(); ++p) {
      for (int t = 0; t < matrix.side(); ++t) EXPECT_EQ(matrix.at(p, t), cells[p][t].get<int>()) << p << "," << t;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, ApGolden, testing::ValuesIn(test::kApCases), [](const auto& c) { return c.param; });

TEST(ApGoldenFile, HoldsNoOtherCases) {
  BOXCAR_NEED_SHARED();
  EXPECT_EQ(test::read_json(test::shared("golden/metrics/ap.json"))["cases"].size(), test::kApCases.size());
}

}  // namespace
}  // namespace boxcar
