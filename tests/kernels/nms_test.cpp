#include "boxcar/kernels/nms/nms.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using Rows = std::vector<std::vector<float>>;

/// One image's rows, each {cx, cy, w, h, scores...}.
Tensor predictions_of(Stream& stream, const Rows& rows, int width) {
  std::vector<float> values;
  for (const auto& row : rows) values.insert(values.end(), row.begin(), row.end());
  return Tensor::from(stream, {1, 1, static_cast<int>(rows.size()), width}, values);
}

class Nms : public test::BackendTest {
 protected:
  std::vector<Detection> nms_of(const Rows& rows, const NmsOptions& options) {
    const Tensor p = predictions_of(stream(), rows, static_cast<int>(rows.at(0).size()));
    return non_max_suppression(stream(), p, options).at(0);
  }
};

TEST_P(Nms, KeepsTheBestOfOverlappingBoxes) {
  const auto out = nms_of({{50, 50, 20, 20, 0.6f}, {51, 50, 20, 20, 0.9f}, {90, 50, 20, 20, 0.3f}}, {});
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].anchor, 1);
  EXPECT_FLOAT_EQ(out[0].x1, 41);
  EXPECT_FLOAT_EQ(out[0].y2, 60);
  EXPECT_EQ(out[1].anchor, 2);
}

TEST_P(Nms, ClassesAreApartUnlessAgnostic) {
  const Rows rows{{50, 50, 20, 20, 0.9f, 0.1f}, {50, 50, 20, 20, 0.1f, 0.8f}};
  EXPECT_EQ(nms_of(rows, {}).size(), 2u);
  EXPECT_EQ(nms_of(rows, {.agnostic = true}).size(), 1u);
}

TEST_P(Nms, MultiLabelGivesEveryClassAboveConf) {
  const Rows rows{{50, 50, 20, 20, 0.9f, 0.5f, 0.25f}};
  const auto out = nms_of(rows, {.multi_label = true});
  ASSERT_EQ(out.size(), 2u);  // 0.25 is not above 0.25
  EXPECT_EQ(out[1].cls, 1);
  EXPECT_EQ(nms_of(rows, {.multi_label = true, .classes = {1}}).at(0).cls, 1);
  EXPECT_TRUE(nms_of(rows, {.classes = {1}}).empty());  // the best class decides first
}

TEST_P(Nms, EqualScoresKeepTheOrderOfAnchors) {
  const auto out = nms_of({{10, 10, 4, 4, 0.5f}, {50, 50, 4, 4, 0.5f}, {30, 30, 4, 4, 0.5f}}, {.max_det = 2});
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].anchor, 0);
  EXPECT_EQ(out[1].anchor, 1);
}

TEST_P(Nms, ZeroAreaBoxesSuppressNothing) {
  EXPECT_EQ(nms_of({{50, 50, 0, 0, 0.9f}, {50, 50, 0, 0, 0.8f}}, {.iou = 0}).size(), 2u);
}

TEST_P(Nms, NotANumberIsHarmless) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(nms_of({{50, 50, 20, 20, nan}}, {}).empty());
  EXPECT_EQ(nms_of({{nan, 50, 20, 20, 0.9f}, {50, inf, 20, inf, 0.8f}, {50, 50, 20, 20, 0.7f}}, {}).size(), 3u);
}

/// Boxes wider than the class shift: classes then do meet, as they do in one list.
TEST_P(Nms, HugeBoxesMeetAcrossClasses) {
  const Rows rows{{0, 0, 1e6f, 1e6f, 0.9f, 0.0f}, {0, 0, 1e6f, 1e6f, 0.0f, 0.8f}};
  EXPECT_EQ(nms_of(rows, {}).size(), 1u);
}

TEST_P(Nms, ReadsRowsWithAStride) {
  const Tensor wide = Tensor::from(stream(), {1, 1, 2, 7}, {10, 10, 4, 4, .9f, -1, -1, 50, 50, 4, 4, .8f, -1, -1});
  const auto out = non_max_suppression(stream(), wide.view().channels(0, 5), {});
  ASSERT_EQ(out[0].size(), 2u);
  EXPECT_FLOAT_EQ(out[0][1].x1, 48);
}

TEST_P(Nms, EmptyInputs) {
  float unused = 0;
  EXPECT_TRUE(non_max_suppression(stream(), {&unused, DType::kF32, 0, 1, 5, 6, 6}, {}).empty());
  EXPECT_TRUE(non_max_suppression(stream(), {&unused, DType::kF32, 1, 1, 0, 6, 6}, {}).at(0).empty());
}

TEST_P(Nms, RefusesBadInput) {
  const Tensor good = Tensor::zeros(stream(), {1, 1, 3, 6});
  EXPECT_THROW(non_max_suppression(stream(), Tensor::zeros(stream(), {1, 1, 3, 4}), {}), ShapeError);
  EXPECT_THROW(non_max_suppression(stream(), Tensor::zeros(stream(), {1, 3, 1, 6}), {}), ShapeError);
  EXPECT_THROW(non_max_suppression(stream(), Tensor::zeros(stream(), {1, 1, 3, 6}, DType::kBF16), {}), ShapeError);
  EXPECT_THROW(non_max_suppression(stream(), good, {.conf = std::nanf("")}), ArgumentError);
  EXPECT_THROW(non_max_suppression(stream(), good, {.iou = 1.5f}), ArgumentError);
  EXPECT_THROW(non_max_suppression(stream(), good, {.max_det = 0}), ArgumentError);
  EXPECT_THROW(non_max_suppression(stream(), good, {.max_nms = -1}), ArgumentError);
}

NmsOptions options_from(const nlohmann::json& o) {
  NmsOptions options{.conf = o["conf_thres"].get<float>(),
                     .iou = o["iou_thres"].get<float>(),
                     .multi_label = o["multi_label"].get<bool>(),
                     .agnostic = o["agnostic"].get<bool>(),
                     .max_det = o["max_det"].get<int>(),
                     .max_nms = o["max_nms"].get<int>()};
  if (!o["classes"].is_null()) options.classes = o["classes"].get<std::vector<int>>();
  return options;
}

void expect_rows(const std::vector<Detection>& got, const float* want, double tolerance) {
  for (const Detection& d : got) {
    const float row[6] = {d.x1, d.y1, d.x2, d.y2, d.score, static_cast<float>(d.cls)};
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(std::abs(row[i] - want[i]) <= tolerance) << row[i] << " not " << want[i];
    ASSERT_EQ(row[4], want[4]);
    ASSERT_EQ(row[5], want[5]);
    want += 6;
  }
}

TEST_P(Nms, GoldenCases) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/metrics/nms.safetensors"));
  const auto cases = test::read_json(test::shared("golden/metrics/nms.json"))["cases"];
  ASSERT_EQ(cases.size(), 42u);
  for (const int threads : device().is_cuda() ? std::vector{0} : std::vector{1, 3}) {
    Stream stream(device(), {.threads = threads});
    for (const auto& c : cases) {
      SCOPED_TRACE(c["pred"].get<std::string>() + ", " + c["name"].get<std::string>());
      const auto& p = tensors.at(c["pred"]);
      const auto n = static_cast<int>(p.shape[0]), width = static_cast<int>(p.shape[1]),
                 a = static_cast<int>(p.shape[2]);
      const Tensor x = Tensor::from(stream, {n, 1, a, width}, test::to_nhwc(p.floats(), n, width, 1, a));
      const Detections got = non_max_suppression(stream, x, options_from(c["options"]));
      const auto want = tensors.at(c["out"]).floats();
      const auto index = tensors.at(c["idx"]).integers();
      std::size_t row = 0;
      for (int i = 0; i < n; ++i) {
        ASSERT_EQ(got[i].size(), c["rows_per_image"][i].get<std::size_t>());
        expect_rows(got[i], want.data() + row * 6, 1e-4);
        for (const Detection& d : got[i]) ASSERT_EQ(d.anchor, index[row++]);
      }
    }
  }
}

struct Case {
  const char* name;
  int images, anchors, nc;
  NmsOptions options;
};

// Boxes in clusters, scores of few different values: many ties, many suppressed. Some numbers are NaN or infinite.
std::vector<float> crowded_predictions(const Case& c) {
  const std::int64_t rows = std::int64_t{c.images} * c.anchors;
  const std::vector<float> random = test::random_values(rows * (4 + c.nc), 1);
  std::vector<float> values;
  for (std::int64_t i = 0; i < rows * (4 + c.nc); ++i) {
    const auto column = i % (4 + c.nc);
    const float unit = (random[i] + 3) / 6;
    values.push_back(column < 2   ? std::floor(unit * 4) * 60 + random[i]
                     : column < 4 ? 20 + 20 * unit
                                  : std::floor(unit * 16) / 16);
  }
  const std::int64_t width = 4 + c.nc;
  values[3 * width + 4] = std::numeric_limits<float>::quiet_NaN();
  values[5 * width + 3 + c.nc] = std::numeric_limits<float>::quiet_NaN();
  values[7 * width] = std::numeric_limits<float>::quiet_NaN();
  values[9 * width + 2] = std::numeric_limits<float>::infinity();
  return values;
}

std::vector<float> flat(const Detections& images) {
  std::vector<float> out;
  for (const auto& image : images) {
    out.push_back(static_cast<float>(image.size()));
    for (const Detection& d : image) {
      for (const float v : {d.x1, d.y1, d.x2, d.y2, d.score}) out.push_back(v);
      out.push_back(static_cast<float>(d.cls));
      out.push_back(static_cast<float>(d.anchor));
    }
  }
  return out;
}

// Boxes and order of CUDA are the CPU's, to the bit.
TEST_P(Nms, OfCrowdedImagesEqualsTheCpu) {
  const Case cases[] = {
      {"single", 2, 90, 3, {.conf = 0.3f, .iou = 0.5f}},
      {"one class", 1, 40, 1, {.conf = 0.1f, .iou = 0.4f}},
      {"wide", 1, 30, 70, {.conf = 0.5f}},
      {"multi", 2, 40, 5, {.conf = 0.2f, .multi_label = true}},
      {"multi, agnostic", 1, 40, 5, {.conf = 0.2f, .iou = 0.3f, .multi_label = true, .agnostic = true}},
      {"chosen classes", 1, 50, 4, {.conf = 0.0f, .multi_label = true, .classes = {1, 3, 9}}},
      {"single, classes", 1, 50, 4, {.conf = 0.0f, .classes = {2}}},
      {"few enter", 2, 60, 4, {.conf = 0.1f, .iou = 0.9f, .multi_label = true, .max_nms = 50}},
      {"few enter, single", 2, 90, 4, {.conf = 0.1f, .iou = 0.9f, .max_nms = 17}},
      {"few come out", 1, 60, 3, {.conf = 0.1f, .iou = 0.9f, .max_det = 7}},
      {"none", 2, 20, 3, {.conf = 1.0f}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const std::vector<float> values = crowded_predictions(c);
    const auto boxes = [&](Stream& s) {
      const Tensor p = test::slice_of(s, {c.images, 1, c.anchors, 4 + c.nc}, values, DType::kF32, 1, 6 + c.nc);
      return flat(non_max_suppression(s, p, c.options));
    };
    const std::vector<float> got = test::run_on(device(), boxes), want = test::run_on(Device::cpu(), boxes);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      ASSERT_TRUE(got[i] == want[i] || (std::isnan(got[i]) && std::isnan(want[i])))
          << i << ' ' << got[i] << ' ' << want[i];
    }
  }
}

INSTANTIATE_ON_BACKENDS(Nms);

TEST(EndToEnd, EmptyAndBadInput) {
  Stream stream;
  float unused = 0;
  EXPECT_TRUE(select_end_to_end(stream, {&unused, DType::kF32, 1, 1, 0, 6, 6}, {}).at(0).empty());
  EXPECT_THROW(select_end_to_end(stream, Tensor::zeros(stream, {1, 1, 3, 6}), {.candidates = 0}), ArgumentError);
}

TEST(EndToEnd, GoldenCases) {
  BOXCAR_NEED_SHARED();
  const auto t = test::read_golden(test::shared("golden/metrics/nms.safetensors"));
  const auto boxes = t.at("e2e_boxes").floats(), scores = t.at("e2e_scores").floats();
  std::vector<float> rows;
  for (int a = 0; a < 120; ++a) {
    rows.insert(rows.end(), boxes.begin() + a * 4, boxes.begin() + a * 4 + 4);
    rows.insert(rows.end(), scores.begin() + a * 5, scores.begin() + a * 5 + 5);
  }
  Stream stream;
  const Tensor x = Tensor::from(stream, {1, 1, 120, 9}, rows);
  for (const bool agnostic : {false, true}) {
    const std::string suffix = agnostic ? "1" : "0";
    EndToEndOptions o{.conf = 0, .agnostic = agnostic, .max_det = 40, .candidates = 40, .boxes = BoxFormat::kXyxy};
    const auto head = select_end_to_end(stream, x, o).at(0);
    ASSERT_EQ(head.size(), 40u);
    expect_rows(head, t.at("e2e_out_" + suffix).floats().data(), 0);
    for (const char* conf : {"0.25", "0.8"}) {
      o.conf = std::stof(conf), o.max_det = 30;
      const auto& want = t.at("e2e_filtered_" + suffix + "_" + conf);
      const auto got = select_end_to_end(stream, x, o).at(0);
      ASSERT_EQ(static_cast<std::int64_t>(got.size()), want.shape[0]);
      expect_rows(got, want.floats().data(), 0);
    }
  }
}

TEST(EndToEnd, ClassesAreFilteredAfterTheHead) {
  Stream stream;
  const Tensor x = predictions_of(stream, {{5, 5, 2, 2, 0.9f, 0.8f}, {9, 9, 2, 2, 0.7f, 0.1f}}, 6);
  const auto out = select_end_to_end(stream, x, {.classes = {1}, .candidates = 2}).at(0);
  ASSERT_EQ(out.size(), 1u);  // the head gives 0.9 and 0.8, both of anchor 0
  EXPECT_EQ(out[0].anchor, 0);
  EXPECT_FLOAT_EQ(out[0].x2, 6);
}

}  // namespace
}  // namespace boxcar::kernels
