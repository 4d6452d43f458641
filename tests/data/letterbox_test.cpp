#include "boxcar/data/augment/letterbox.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "augment_support.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

LetterboxOptions options_from(const nlohmann::json& o) {
  return {.shrink_to_stride = o.value("auto", false),
          .scale_fill = o.value("scale_fill", false),
          .scale_up = o.value("scaleup", true),
          .center = o.value("center", true),
          .stride = o.value("stride", 32)};
}

TEST(Letterbox, OddBordersHaveTheExtraPixelRightAndBelow) {
  const Letterbox box = letterbox_geometry({7, 4}, {10, 7}, {.scale_up = false});
  EXPECT_EQ(box.inner, (ResizedSize{7, 4}));
  EXPECT_EQ(box.top, 1);
  EXPECT_EQ(box.bottom, 2);
  EXPECT_EQ(box.left, 1);
  EXPECT_EQ(box.right, 2);
}

TEST(Letterbox, RefusesSidesBelowOne) {
  EXPECT_THROW(letterbox_geometry({0, 4}, {10, 7}, {}), ArgumentError);
  EXPECT_THROW(letterbox_geometry({4, 4}, {10, -1}, {}), ArgumentError);
  EXPECT_THROW(letterbox_geometry({4, 4}, {10, 7}, {.stride = 0}), ArgumentError);
}

TEST(LetterboxGolden, Parameters) {
  BOXCAR_NEED_SHARED();
  const auto rows = test::read_json(test::shared("golden/data/letterbox_params.json"))["rows"];
  ASSERT_EQ(rows.size(), 400u);
  for (const auto& r : rows) {
    const Letterbox b = letterbox_geometry({r["h"], r["w"]}, {r["new_h"], r["new_w"]}, options_from(r));
    const std::vector<int> got{b.inner.width, b.inner.height, b.top, b.bottom, b.left, b.right};
    const std::vector<int> want{r["unpad_w"], r["unpad_h"], r["top"], r["bottom"], r["left"], r["right"]};
    EXPECT_EQ(got, want) << r.dump();
    EXPECT_TRUE(std::abs(b.ratio_w - r["ratio_w"].get<double>()) <= 1e-12) << r.dump();
    EXPECT_TRUE(std::abs(b.ratio_h - r["ratio_h"].get<double>()) <= 1e-12) << r.dump();
  }
}

TEST(LetterboxGolden, PixelsAndBoxes) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/data/letterbox.safetensors"));
  const auto cases = test::read_json(test::shared("golden/data/letterbox.json"))["cases"];
  ASSERT_EQ(cases.size(), 36u);
  for (const auto& c : cases) {
    const std::string name = c["output"];
    const Image in = test::image_from(tensors.at(c["input"]));
    const Letterbox b =
        letterbox_geometry(test::size_of_image(in), {c["new_shape"][0], c["new_shape"][1]}, options_from(c["options"]));
    const Image out = letterbox_image(in, b), want = test::image_from(tensors.at(name));
    EXPECT_EQ(test::size_of_image(out), test::size_of_image(want)) << name;
    EXPECT_EQ(out.pixels, want.pixels) << name;
    kernels::RenderPlan plan = letterbox_plan(b);
    plan.bgr = true;
    EXPECT_EQ(test::render_one(plan, {resize_bilinear(in, b.inner.height, b.inner.width)}), want.pixels) << name;

    const std::vector<double> ratio_pad{b.ratio_h, b.ratio_w, double(b.left), double(b.top)};
    const auto& p = c["ratio_pad"];
    const std::vector<double> want_pad{p[0][0], p[0][1], p[1][0], p[1][1]};
    for (int i = 0; i < 4; ++i) EXPECT_NEAR(ratio_pad[i], want_pad[i], 1e-12) << name;

    const auto w = float(in.width), h = float(in.height);
    std::vector<PixelBox> boxes;
    for (const PixelBox& box : test::boxes_from(tensors.at(c["boxes_in"]))) {
      boxes.push_back(to_pixels(letterbox_label(to_label(box, w, h), test::size_of_image(in), b), float(b.width()),
                                float(b.height())));
    }
    EXPECT_TRUE(test::max_difference(test::flat(boxes), tensors.at(c["boxes_out"]).floats()) <= 1e-4) << name;
  }
}

}  // namespace
}  // namespace boxcar
