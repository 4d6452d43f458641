// Geometry of augmentation: matrices, boxes, mosaics, mixing, and the whole chain with given draws.
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "augment_support.h"
#include "boxcar/data/augment/affine.h"
#include "boxcar/data/augment/mix.h"
#include "boxcar/data/augment/mosaic.h"
#include "boxcar/data/augment/multi_scale.h"
#include "boxcar/data/augment/objects.h"
#include "boxcar/data/augment/options.h"
#include "boxcar/kernels/render/hsv_tables.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

using test::flat;
using test::read_golden;
using test::read_json;
using test::shared;

TEST(Augment, MatrixCentresTheImageByExactHalves) {
  const Matrix3 m = affine_matrix({}, 10, 21, 8, 16);
  EXPECT_EQ(m, (Matrix3{1, 0, -2.5f, 0, 1, -1, 0, 0, 1}));
  EXPECT_EQ(inverted(m), (Matrix3{1, 0, 2.5f, 0, 1, 1, 0, 0, 1}));
  EXPECT_EQ(inverted(Matrix3{}), Matrix3{});
}

TEST(Augment, PositiveAnglesTurnCounterClockwise) {
  const Matrix3 m = affine_matrix({.angle = 90}, 10, 10, 10, 10);
  const PixelBox box = mapped(PixelBox{0, 9, 4, 9, 4}, m, false);  // right of the centre goes above it
  EXPECT_NEAR(box.x1, 4, 1e-5);
  EXPECT_NEAR(box.y1, 1, 1e-5);
}

TEST(Augment, SmallNarrowAndMostlyLostBoxesGo) {
  const PixelBox before{0, 0, 0, 10, 10};
  EXPECT_TRUE(keep_box(before, {0, 0, 0, 5, 5}, .1f));
  EXPECT_FALSE(keep_box(before, {0, 0, 0, 2, 9}, .1f));                  // not more than 2 wide
  EXPECT_FALSE(keep_box(before, {0, 0, 0, 3, 3}, .1f));                  // 9 of 100
  EXPECT_FALSE(keep_box({0, 0, 0, 300, 3}, {0, 0, 0, 300, 2.9f}, .1f));  // 103 : 1
  EXPECT_FALSE(keep_box(before, {0, std::numeric_limits<float>::quiet_NaN(), 0, 9, 9}, .1f));
  EXPECT_FALSE(keep_box({0, 3, 3, 3, 3}, {0, 3, 3, 3, 3}, .1f));  // zero size
}

TEST(Augment, MosaicCentresStayInTheMiddleHalf) {
  for (const int imgsz : {1, 2, 97, 96}) {
    Random random(3);
    const int low = (imgsz + 1) / 2, high = 2 * imgsz - low;
    for (int i = 0; i < 2000; ++i) {
      const MosaicCentre c = draw_mosaic_centre(imgsz, random);
      EXPECT_TRUE(c.x >= low && c.y >= low && (c.x < high || high == low) && (c.y < high || high == low));
    }
  }
}

TEST(Augment, CutAreaAvoidsBoxesOrIsNone) {
  Random random(5);
  const std::vector<PixelBox> everything{{0, 0, 0, 64, 48}}, corner{{0, 0, 0, 8, 8}};
  for (int i = 0; i < 500; ++i) {
    const auto area = choose_cut_area(64, 48, corner, random);
    if (!area) continue;
    EXPECT_FALSE(area->x1 < 8 && area->y1 < 8 && area->x2 > area->x1 && area->y2 > area->y1);
    EXPECT_TRUE(area->x1 >= 0 && area->y1 >= 0 && area->x2 <= 64 && area->y2 <= 48);
    const auto over = choose_cut_area(64, 48, everything, random);
    EXPECT_TRUE(!over || over->x1 == over->x2 || over->y1 == over->y2);
  }
}

TEST(Augment, OptionsOutOfRangeAreNamed) {
  const auto message = [](auto&& change) {
    AugmentOptions options;
    change(options);
    try {
      check_options(options);
    } catch (const ArgumentError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(message([](AugmentOptions&) {}), "");
  EXPECT_NE(message([](AugmentOptions& o) { o.mosaic = 1.5; }).find("mosaic=1.5"), std::string::npos);
  EXPECT_NE(message([](AugmentOptions& o) { o.shear = 90; }).find("shear"), std::string::npos);
  EXPECT_NE(message([](AugmentOptions& o) { o.scale = {0.9, 0.1}; }).find("scale"), std::string::npos);
  EXPECT_NE(message([](AugmentOptions& o) { o.hsv_h = std::nan(""); }).find("hsv_h"), std::string::npos);
  EXPECT_NE(message([](AugmentOptions& o) { o.imgsz = 0; }).find("imgsz"), std::string::npos);
  EXPECT_NE(message([](AugmentOptions& o) { o.mosaic_images = 5; }).find("mosaic of 5"), std::string::npos);
}

TEST(AugmentGolden, AffineMatrix) {
  BOXCAR_NEED_SHARED();
  const auto rows = read_json(shared("golden/data/affine_matrix.json"))["rows"];
  ASSERT_EQ(rows.size(), 40u);
  for (const auto& row : rows) {
    const auto& d = row["draws"];
    const AffineDraws draws{d["persp_x"],     d["persp_y"],     d["angle_deg"], d["scale"],
                            d["shear_x_deg"], d["shear_y_deg"], d["trans_x"],   d["trans_y"]};
    const Matrix3 m = affine_matrix(draws, row["h"], row["w"], row["size_wh"][1], row["size_wh"][0]);
    for (int i = 0; i < 9; ++i) {
      const double want = row["M"][i / 3][i % 3];
      EXPECT_TRUE(std::abs(m[i] - want) <= 2e-6 * std::abs(want)) << i << ": " << m[i] << " for " << want;
    }
  }
}

TEST(AugmentGolden, AffineBoxes) {
  BOXCAR_NEED_SHARED();
  const auto tensors = read_golden(shared("golden/data/affine.safetensors"));
  const auto cases = read_json(shared("golden/data/affine.json"))["cases"];
  ASSERT_EQ(cases.size(), 6u);
  for (const auto& c : cases) {
    const std::string i = std::to_string(c["index"].get<int>());
    const auto m = tensors.at("M_" + i).floats();
    Matrix3 matrix;
    std::copy(m.begin(), m.end(), matrix.begin());
    const auto boxes = test::boxes_from(tensors.at("boxes_in_" + i));  // classes number the boxes
    std::vector<PixelBox> all;
    for (const auto& box : boxes) all.push_back(mapped(box, matrix, c["perspective"]));
    EXPECT_TRUE(test::max_difference(flat(all), tensors.at("boxes_mapped_" + i).floats()) <= 2e-4) << i;
    const auto kept =
        warped({boxes}, matrix, c["perspective"], c["scale"].get<float>(), c["size_wh"][0], c["size_wh"][1]).boxes;
    EXPECT_EQ(test::classes_of(kept), tensors.at("kept_" + i).floats()) << i;
    EXPECT_TRUE(test::max_difference(flat(kept), tensors.at("boxes_out_" + i).floats()) <= 2e-4) << i;
  }
}

TEST(AugmentGolden, BoxCandidates) {
  BOXCAR_NEED_SHARED();
  const auto tensors = read_golden(shared("golden/data/box_candidates.safetensors"));
  const auto before = test::boxes_from(tensors.at("box1")), after = test::boxes_from(tensors.at("box2"));
  const auto keep = tensors.at("keep").integers();
  ASSERT_EQ(before.size(), 400u);
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_EQ(keep_box(before[i], after[i], .1f), keep[i] != 0) << i;
}

struct Mosaic {
  std::vector<Image> images;
  std::vector<ResizedSize> sizes;
  std::vector<std::vector<BoxLabel>> labels;
};
Mosaic mosaic_inputs(const std::map<std::string, test::GoldenTensor>& tensors, const std::string& index, int n) {
  Mosaic m;
  for (int k = 0; k < n; ++k) {
    const std::string key = "_" + index + "_" + std::to_string(k);
    m.images.push_back(test::image_from(tensors.at("img" + key)));
    m.sizes.push_back(test::size_of_image(m.images.back()));
    m.labels.push_back(test::labels_from(tensors.at("cls" + key), tensors.at("xywhn" + key)));
  }
  return m;
}
std::vector<PixelBox> mosaic_boxes(const Mosaic& m, const kernels::Picture& picture, int side) {
  PixelObjects objects;
  for (std::size_t k = 0; k < m.sizes.size(); ++k) {
    const auto [h, w] = m.sizes[k];
    const auto& tile = picture.tiles[k];
    append(objects, clipped(to_pixels(m.labels[k], {}, w, h, tile.dx, tile.dy), side, side));
  }
  return objects.boxes;
}

TEST(AugmentGolden, Mosaics) {
  BOXCAR_NEED_SHARED();
  const auto tensors = read_golden(shared("golden/data/mosaic.safetensors"));
  const auto cases = read_json(shared("golden/data/mosaic.json"))["cases"];
  ASSERT_EQ(cases.size(), 5u);
  for (const auto& c : cases) {
    const std::string index = c["index"].is_string() ? "nine" : std::to_string(c["index"].get<int>());
    const int imgsz = c["imgsz"], n = c["n"];
    const Mosaic m = mosaic_inputs(tensors, index, n);
    kernels::RenderPlan plan;
    plan.width = plan.height = 2 * imgsz;
    plan.bgr = true;
    if (n == 9) {
      place_nine(m.sizes, imgsz, 0, plan.picture);
    } else {
      place_four(m.sizes, {c["xc"], c["yc"]}, imgsz, 0, plan.picture);
    }
    EXPECT_EQ(test::compare_bytes(test::render_one(plan, m.images), test::image_from(tensors.at("out_" + index)).pixels)
                  .worst,
              0)
        << index;
    const auto boxes = mosaic_boxes(m, plan.picture, 2 * imgsz);
    EXPECT_TRUE(test::max_difference(flat(boxes), tensors.at("boxes_" + index).floats()) <= 1e-4) << index;
    EXPECT_EQ(test::classes_of(boxes), tensors.at("outcls_" + index).floats()) << index;
  }
}

TEST(AugmentGolden, WholeChain) {
  BOXCAR_NEED_SHARED();
  const auto tensors = read_golden(shared("golden/data/chain.safetensors"));
  const auto cases = read_json(shared("golden/data/chain.json"))["cases"];
  ASSERT_EQ(cases.size(), 3u);
  for (const auto& c : cases) {
    const std::string index = std::to_string(c["index"].get<int>());
    const int imgsz = c["imgsz"];
    const Mosaic m = mosaic_inputs(tensors, index, 4);
    kernels::RenderPlan plan;
    plan.width = plan.height = imgsz;
    place_four(m.sizes, {c["xc"], c["yc"]}, imgsz, 0, plan.picture);
    const auto values = tensors.at("M_" + index).floats();
    Matrix3 matrix;
    std::copy(values.begin(), values.end(), matrix.begin());
    std::ranges::copy(inverted(matrix), plan.picture.inverse);
    const auto gain = [&](int k) { return c["hsv_r"][k].get<double>() * c["hsv_gains"][k].get<double>(); };
    kernels::set_hsv_gains(plan, gain(0), gain(1), gain(2));
    plan.flip_vertical = c["flipud"];
    plan.flip_horizontal = c["fliplr"];
    const auto d =
        test::compare_bytes(test::render_one(plan, m.images), test::hwc_from(tensors.at("out_rgb_chw_" + index)));
    EXPECT_LE(d.worst, 1) << index;
    EXPECT_LE(d.share, 0.01) << index;

    const auto side = static_cast<float>(imgsz);
    std::vector<BoxLabel> labels;
    for (PixelBox box :
         warped({mosaic_boxes(m, plan.picture, 2 * imgsz)}, matrix, false, c["scale"].get<float>(), side, side).boxes) {
      if (plan.flip_vertical) box = flipped_vertically(box, side);
      if (plan.flip_horizontal) box = flipped_horizontally(box, side);
      labels.push_back(to_label(box, side, side));
    }
    EXPECT_TRUE(test::max_difference(flat(labels), tensors.at("out_xywhn_" + index).floats()) <= 1e-6) << index;
    EXPECT_EQ(test::classes_of(labels), tensors.at("out_cls_" + index).floats()) << index;
  }
}

TEST(AugmentGolden, FlippedAndCutBoxes) {
  BOXCAR_NEED_SHARED();
  const auto tensors = read_golden(shared("golden/data/mix.safetensors"));
  std::vector<PixelBox> across, down;
  for (const PixelBox& box : test::boxes_from(tensors.at("flip_boxes"))) {
    across.push_back(flipped_horizontally(box, 56));
    down.push_back(flipped_vertically(box, 48));
  }
  EXPECT_TRUE(test::max_difference(flat(across), tensors.at("flip_boxes_horizontal").floats()) <= 1e-5);
  EXPECT_TRUE(test::max_difference(flat(down), tensors.at("flip_boxes_vertical").floats()) <= 1e-5);

  const auto a = tensors.at("cut_area").floats(), share = tensors.at("cut_ioa").floats();
  const auto partner = test::boxes_from(tensors.at("cut_boxes2"));
  for (std::size_t i = 0; i < partner.size(); ++i)
    EXPECT_NEAR(share_inside(partner[i], a[0], a[1], a[2], a[3]), share[i], 1e-6);
  const auto inside = boxes_in_cut({partner}, {int(a[0]), int(a[1]), int(a[2]), int(a[3])});
  EXPECT_EQ(test::classes_of(inside), tensors.at("cut_cls").floats());
  EXPECT_TRUE(test::max_difference(flat(inside), tensors.at("cut_boxes").floats()) <= 1e-5);
}

TEST(AugmentGolden, MultiScaleSizes) {
  BOXCAR_NEED_SHARED();
  const auto sizes = read_json(shared("golden/data/mix.json"))["multi_scale_sizes"];
  for (const auto& [fraction, want] : sizes.items()) {
    Random random(1);
    std::set<int> seen;
    for (int i = 0; i < 20000; ++i) seen.insert(draw_multi_scale_size(640, std::stod(fraction), 32, random));
    EXPECT_EQ(std::vector<int>(seen.begin(), seen.end()), want.get<std::vector<int>>()) << fraction;
    EXPECT_EQ(most_multi_scale_size(640, std::stod(fraction), 32), *seen.rbegin()) << fraction;
  }
  EXPECT_EQ(most_multi_scale_size(640, 0, 32), 640);
  EXPECT_EQ(multi_scale_shape({32, 48}, 96, 32), (ResizedSize{64, 96}));
  EXPECT_EQ(multi_scale_shape({32, 48}, 48, 32), (ResizedSize{32, 48}));
  Random random(1);
  EXPECT_THROW(draw_multi_scale_size(640, 0, 32, random), ArgumentError);
}

}  // namespace
}  // namespace boxcar
