#include "boxcar/trainers/metrics/scale_boxes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "boxcar/runtime/base/error.h"
#include "support/golden.h"

namespace boxcar {
namespace {

TEST(ScaleBoxes, UndoesALetterbox) {
  // 100 x 50 into 64 x 64: gain 0.64, 64 x 32, 16 rows above.
  const Placement p = letterbox_placement({64, 64}, {50, 100});
  EXPECT_DOUBLE_EQ(p.gain_w, 0.64);
  EXPECT_DOUBLE_EQ(p.pad_y, 16);
  std::vector<Box> boxes{{0, 16, 64, 48, 1, 0}, {-5, 0, 99, 99, 1, 0}};
  scale_boxes(boxes, p, {50, 100});
  for (const Box& b : boxes) EXPECT_EQ(b, (Box{0, 0, 100, 50, 1, 0}));
}

TEST(ScaleBoxes, RefusesEmptyPictures) { EXPECT_THROW(letterbox_placement({64, 64}, {0, 10}), ArgumentError); }

TEST(ScaleBoxes, GoldenRows) {
  BOXCAR_NEED_SHARED();
  const auto rows = test::read_json(test::shared("golden/metrics/scale_boxes.json"))["rows"];
  ASSERT_EQ(rows.size(), 60u);
  for (const auto& row : rows) {
    const PictureSize network{row["img1_hw"][0], row["img1_hw"][1]}, original{row["img0_hw"][0], row["img0_hw"][1]};
    Placement p = letterbox_placement(network, original);
    if (const auto& r = row["ratio_pad"]; !r.is_null()) p = {r[0][0], r[0][1], r[1][0], r[1][1]};
    std::vector<Box> boxes;
    for (const auto& b : row["boxes"]) boxes.push_back({b[0], b[1], b[2], b[3], 0, 0});
    scale_boxes(boxes, p, original);
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      const float got[4] = {boxes[i].x1, boxes[i].y1, boxes[i].x2, boxes[i].y2};
      for (int k = 0; k < 4; ++k) {
        const double want = row["out"][i][k].get<double>();
        EXPECT_TRUE(std::abs(got[k] - want) <= std::max(2e-3, 1e-5 * std::abs(want))) << got[k] << " not " << want;
      }
    }
  }
}

}  // namespace
}  // namespace boxcar
