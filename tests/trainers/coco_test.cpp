#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/metrics/coco_eval.h"
#include "boxcar/trainers/metrics/coco_files.h"
#include "trainers/metrics_golden.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (fs::temp_directory_path() / "boxcar-coco-XXXXXX").string();
    if (mkdtemp(pattern.data())) path = pattern;
  }
  ~TempFolder() { fs::remove_all(path); }
  fs::path path;
};

CocoBox corner_and_size(double x1, double y1, double x2, double y2) { return {x1, y1, x2 - x1, y2 - y1}; }

TEST(CocoEval, GoldenCases) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/metrics/ap.safetensors"));
  const auto cases = test::read_json(test::shared("golden/metrics/ap.json"))["cases"];
  // COCO's tools gave no numbers for these two: nothing to evaluate.
  const std::vector<std::string> without{"no_detections", "no_labels"};
  for (const std::string& name : test::kApCases) {
    SCOPED_TRACE(name);
    const auto& c = cases[name];
    ASSERT_EQ(c.contains("pycocotools"), std::find(without.begin(), without.end(), name) == without.end());
    if (!c.contains("pycocotools")) continue;
    CocoGround ground{{}, one_based_categories(c["nc"].get<int>()), {}};
    std::vector<CocoDetection> detections;
    const auto images = test::golden_images(tensors, name, c["images"].get<int>());
    for (std::size_t i = 0; i < images.size(); ++i) {
      const auto image = static_cast<std::int64_t>(i);
      ground.images.push_back(image);
      for (const TruthBox& t : images[i].truths) {
        const CocoBox b = corner_and_size(t.x1, t.y1, t.x2, t.y2);
        ground.truths.push_back({image, t.cls + 1, b, b[2] * b[3], false});
      }
      for (const Box& b : images[i].predictions) {
        detections.push_back({image, b.cls + 1, corner_and_size(b.x1, b.y1, b.x2, b.y2), b.conf});
      }
    }
    const CocoSummary s = evaluate_coco(ground, detections);
    for (const char* tool : {"pycocotools", "faster_coco_eval"}) {
      const auto& want = c[tool];
      ASSERT_EQ(want.size(), 13u);
      const std::pair<const char*, double> numbers[] = {{"AP", s.ap},
                                                        {"AP50", s.ap50},
                                                        {"AP75", s.ap75},
                                                        {"AP_small", s.ap_small},
                                                        {"AP_medium", s.ap_medium},
                                                        {"AP_large", s.ap_large},
                                                        {"AR1", s.ar1},
                                                        {"AR10", s.ar10},
                                                        {"AR100", s.ar100},
                                                        {"AR_small", s.ar_small},
                                                        {"AR_medium", s.ar_medium},
                                                        {"AR_large", s.ar_large}};
      for (const auto& [key, got] : numbers) {
        EXPECT_TRUE(std::abs(got - want[key].get<double>()) <= 1e-9) << key << " " << got << " not " << want[key];
      }
      const auto& rows = want["ap_per_class_at_10_ious"];
      ASSERT_EQ(rows.size(), s.ap_per_category.size());
      for (std::size_t k = 0; k < rows.size(); ++k) {
        for (int t = 0; t < 10; ++t) {
          const double value = rows[k].is_null() ? -1 : rows[k][t].get<double>();  // null: no truths
          EXPECT_TRUE(std::abs(s.ap_per_category[k][t] - value) <= 1e-9) << k << " " << t;
        }
      }
    }
  }
}

TEST(CocoEval, CrowdsAreIgnored) {
  CocoGround g{{1}, {1}, {{1, 1, {0, 0, 10, 10}, 100, false}, {1, 1, {50, 50, 100, 100}, 10000, true}}};
  const std::vector<CocoDetection> d{
      {1, 1, {0, 0, 10, 10}, 0.5}, {1, 1, {60, 60, 10, 10}, 0.9}, {1, 1, {80, 80, 10, 10}, 0.8}};
  EXPECT_NEAR(evaluate_coco(g, d).ap, 1.0, 1e-12);
  g.truths[1].crowd = false;
  EXPECT_LT(evaluate_coco(g, d).ap, 0.5);
}

TEST(CocoEval, NothingToMeasureIsMinusOne) {
  EXPECT_EQ(evaluate_coco({}, {}).ap, -1);
  EXPECT_EQ(evaluate_coco({{1}, {1}, {{1, 1, {0, 0, 10, 10}, 100, false}}}, {}).ap, 0);
}

TEST(CocoFiles, GoldenRows) {
  BOXCAR_NEED_SHARED();
  const auto file = test::read_json(test::shared("golden/metrics/coco_json.json"));
  const auto categories = file["class_map"].get<std::vector<int>>();
  std::string text = "[";
  for (const auto& input : file["inputs"]) {
    std::vector<Box> boxes;
    for (std::size_t i = 0; i < input["boxes_xyxy"].size(); ++i) {
      const auto& b = input["boxes_xyxy"][i];
      boxes.push_back({b[0], b[1], b[2], b[3], file["conf"][i], file["cls"][i].get<int>()});
    }
    for (const CocoRow& row : coco_rows(input["im_file"].get<std::string>(), boxes, categories)) {
      if (text.size() > 1) text += ',';
      text += to_json(row);
    }
  }
  EXPECT_EQ(nlohmann::json::parse(text + "]"), file["output"]);
}

TEST(CocoFiles, NamesOfAnyKindStayValidJson) {
  const CocoRow row{"a\"b\n\xff", "a\"b\n\xff.jpg", 1, {0, 0, 1, 1}, 0.5};
  EXPECT_NO_THROW(nlohmann::json::parse(to_json(row)));
  const CocoRow digits{std::string(30, '9'), "9.jpg", 1, {0, 0, 1, 1}, 0.5};
  EXPECT_NO_THROW(nlohmann::json::parse(to_json(digits)));
  EXPECT_TRUE(detections_of(std::vector<CocoRow>{digits}).empty());
  EXPECT_EQ(to_json({"000", "000.png", 1, {0, 0, 1, 1}, 0.5}).substr(0, 16), "{\"image_id\": 0, ");
}

TEST(CocoFiles, RoundsTheExactBinaryValue) {
  EXPECT_EQ(round_to(2.675, 2), 2.67);
  EXPECT_EQ(round_to(0.125, 2), 0.12);
  EXPECT_EQ(round_to(1e-9, 5), 0);
  EXPECT_TRUE(std::isnan(round_to(std::nan(""), 3)));
}

TEST(CocoFiles, CategoryNumbers) {
  const auto ids = coco80_to_91();
  ASSERT_EQ(ids.size(), 80u);
  EXPECT_EQ(ids[11], 13);
  EXPECT_EQ(ids[79], 90);
  EXPECT_TRUE(is_coco_list("/data/coco/val2017.txt"));
  EXPECT_FALSE(is_coco_list("/data/other/val2017.txt"));
  EXPECT_FALSE(is_coco_list("/data/coco8/images/val"));
  EXPECT_THROW(coco_rows("a.jpg", std::vector<Box>{{0, 0, 1, 1, 0.5f, 3}}, one_based_categories(3)), DataError);
}

TEST(CocoFiles, AnnotationsAndPredictionsThroughFiles) {
  const TempFolder folder;
  const fs::path truth = folder.path / "instances.json", predictions = folder.path / "predictions.json";
  std::ofstream(truth) << R"({"images": [{"id": 139, "width": 640}], "categories": [{"id": 7, "name": "x"}],
    "annotations": [{"id": 1, "image_id": 139, "category_id": 7, "bbox": [10, 10, 20, 20], "area": 350.5,
                     "iscrowd": 0, "segmentation": [[1, 2, 3, 4]]}]})";
  const CocoGround ground = read_coco_annotations(truth);
  ASSERT_EQ(ground.truths.size(), 1u);
  EXPECT_EQ(ground.truths[0].area, 350.5);
  const auto rows = coco_rows("000000000139.jpg", std::vector<Box>{{10, 10, 30, 30, 0.9f, 0}}, std::vector<int>{7});
  write_predictions_json(predictions, rows);
  EXPECT_EQ(test::read_json(predictions).at(0)["image_id"], 139);
  EXPECT_NEAR(evaluate_coco(ground, detections_of(rows)).ap, 1.0, 1e-12);
  EXPECT_NEAR(evaluate_coco(ground, detections_of(rows)).fitness(), 1.0, 1e-12);
}

TEST(CocoFiles, RefusesWhatIsNoAnnotationFile) {
  const TempFolder folder;
  for (const char* text : {"", "[]", "{\"images\": 3}", "{\"images\": [{\"id\": \"x\"}]}", "{"}) {
    std::ofstream(folder.path / "a.json", std::ios::trunc) << text;
    EXPECT_THROW(read_coco_annotations(folder.path / "a.json"), DataError) << text;
  }
  EXPECT_THROW(read_coco_annotations(folder.path / "none.json"), IoError);
}

TEST(CocoCollector, MeasuresSmallAndLarge) {
  CocoCollector c(1);
  c.add(std::vector<Box>{{0, 0, 10, 10, 0.9f, 0}}, std::vector<TruthBox>{{0, 0, 10, 10, 0}, {100, 100, 300, 300, 0}});
  const CocoSummary s = c.evaluate();
  EXPECT_NEAR(s.ap_small, 1, 1e-12);
  EXPECT_EQ(s.ap_medium, -1);
  EXPECT_NEAR(s.ap_large, 0, 1e-12);
}

}  // namespace
}  // namespace boxcar
