#include "boxcar/trainers/metrics/average_precision.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/metrics/det_metrics.h"
#include "boxcar/trainers/metrics/smoothing.h"
#include "support/golden.h"

namespace boxcar {
namespace {

TEST(AveragePrecision, OfAPerfectDetectorIs0995) {
  EXPECT_NEAR(average_precision(precision_envelope({0.5, 1.0}, {1.0, 1.0})), 0.995, 1e-15);
}

TEST(AveragePrecision, InterpolationTakesTheLastRepeat) {
  const std::vector<double> x{0, 0.5, 0.5, 1}, y{0, 1, 3, 5};
  EXPECT_DOUBLE_EQ(interpolate(0.25, x, y, 7), 0.5);
  EXPECT_DOUBLE_EQ(interpolate(0.5, x, y, 7), 3);
  EXPECT_DOUBLE_EQ(interpolate(-1, x, y, 7), 7);
  EXPECT_DOUBLE_EQ(interpolate(2, x, y, 7), 5);
}

TEST(AveragePrecision, GoldenCurves) {
  BOXCAR_NEED_SHARED();
  const auto pieces = test::read_json(test::shared("golden/metrics/pieces.json"));
  ASSERT_EQ(pieces["compute_ap"].size(), 13u);
  for (const auto& c : pieces["compute_ap"]) {
    const double ap = average_precision(
        precision_envelope(c["recall"].get<std::vector<double>>(), c["precision"].get<std::vector<double>>()));
    EXPECT_TRUE(std::abs(ap - c["ap"].get<double>()) <= 1e-12) << ap << " not " << c["ap"];
  }
}

void expect_equal(const std::vector<double>& got, const nlohmann::json& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_TRUE(std::abs(got[i] - want[i].get<double>()) <= 1e-12) << i;
}

TEST(Smoothing, GoldenFilters) {
  BOXCAR_NEED_SHARED();
  const auto pieces = test::read_json(test::shared("golden/metrics/pieces.json"));
  ASSERT_EQ(pieces.size(), 4u);
  for (const char* name : {"smooth", "smooth_short"}) {
    const auto& c = pieces[name];
    expect_equal(box_filter(c["y"].get<std::vector<double>>(), c["f"].get<double>()), c["out"]);
  }
  const auto& g = pieces["gaussian"];
  expect_equal(gaussian_filter(g["y"].get<std::vector<double>>(), g["sigma"].get<double>()), g["out"]);
}

TEST(Smoothing, OfOneValueOrNone) {
  EXPECT_TRUE(box_filter({}, 0.1).empty());
  EXPECT_TRUE(gaussian_filter({}, 3).empty());
  const std::vector<double> one{0.25};
  EXPECT_NEAR(gaussian_filter(one, 3).at(0), 0.25, 1e-15);
  EXPECT_DOUBLE_EQ(box_filter(one, 0.1).at(0), 0.25);
}

TEST(DetMetrics, NothingAtAll) {
  const DetMetrics m = DetMetricsBuilder(2).build();
  EXPECT_EQ(m.fitness(), 0);
  EXPECT_EQ(m.maps, std::vector<double>(2, 0.0));
  EXPECT_FALSE(m.operating_index.has_value());
}

TEST(DetMetrics, ResultsHaveTheNamesOfTheCsv) {
  DetMetricsBuilder builder(1);
  builder.add("a.jpg", std::vector<Box>{{0, 0, 10, 10, 0.9f, 0}}, std::vector<TruthBox>{{0, 0, 10, 10, 0}});
  const DetMetrics built = builder.build();
  const Metrics m = built.results();
  EXPECT_NEAR(m["metrics/mAP50-95(B)"], 0.995, 1e-12);
  EXPECT_NEAR(m["fitness"], 0.995, 1e-12);
  EXPECT_EQ(m.values.front().first, "metrics/precision(B)");
  EXPECT_THROW(m["mAP"], ArgumentError);
  EXPECT_EQ(built.classes.at(0).tp, 1);
  EXPECT_EQ(built.classes.at(0).fp, 0);
}

TEST(DetMetrics, RefusesLabelsBeyondTheClasses) {
  DetMetricsBuilder builder(1);
  EXPECT_THROW(builder.add("a.jpg", {}, std::vector<TruthBox>{{0, 0, 1, 1, 1}}), DataError);
  EXPECT_THROW(DetMetricsBuilder(0), ArgumentError);
}

}  // namespace
}  // namespace boxcar
