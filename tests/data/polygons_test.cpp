// Outlines of objects: geometry, what a warp keeps, copy-paste.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "boxcar/data/augment/affine.h"
#include "boxcar/data/augment/copy_paste.h"
#include "boxcar/data/augment/mix.h"
#include "boxcar/data/augment/objects.h"
#include "boxcar/runtime/random/philox.h"

namespace boxcar {
namespace {

constexpr Matrix3 kIdentity{1, 0, 0, 0, 1, 0, 0, 0, 1};

void expect_box(const PixelBox& box, float x1, float y1, float x2, float y2, float tolerance = 1e-4f) {
  EXPECT_NEAR(box.x1, x1, tolerance);
  EXPECT_NEAR(box.y1, y1, tolerance);
  EXPECT_NEAR(box.x2, x2, tolerance);
  EXPECT_NEAR(box.y2, y2, tolerance);
}

TEST(Polygons, TurnedTriangleHasATighterBoxThanItsBox) {
  // 20 x 20, turned by 45 degrees about its centre, in the middle of 60 x 60. The right angle goes left.
  const Matrix3 m = affine_matrix({.angle = 45}, 20, 20, 60, 60);
  const PixelObjects objects{{{3, 0, 0, 20, 20}}, {{0, 0, 20, 0, 0, 20}}};
  const float reach = 10 * std::numbers::sqrt2_v<float>;
  const PixelObjects tight = warped(objects, m, false, 1, 60, 60);
  ASSERT_EQ(tight.boxes.size(), 1u);
  expect_box(tight.boxes[0], 30 - reach, 30 - reach, 30, 30 + reach);
  EXPECT_EQ(tight.boxes[0].cls, 3);
  ASSERT_EQ(tight.outlines.size(), 1u);
  EXPECT_NEAR(tight.outlines[0][0], 30 - reach, 1e-4);
  EXPECT_NEAR(tight.outlines[0][1], 30, 1e-4);
  const PixelObjects loose = warped({objects.boxes}, m, false, 1, 60, 60);
  expect_box(loose.boxes.at(0), 30 - reach, 30 - reach, 30 + reach, 30 + reach);
}

TEST(Polygons, CutByTheBorder) {
  const Polygon triangle{-10, 0, 10, 0, -10, 20};  // its long side crosses x = 0 at y = 10
  expect_box(bounds(0, clipped(triangle, 50, 50)), 0, 0, 10, 10);
  expect_box(bounds(0, clipped(triangle, 50, 5)), 0, 0, 10, 5);
  expect_box(bounds(0, clipped(triangle, 4, 50)), 0, 0, 4, 10);
  EXPECT_EQ(clipped(Polygon{-5, -5, -1, -5, -1, 30}, 20, 20), Polygon{});
  EXPECT_EQ(clipped(Polygon{}, 20, 20), Polygon{});
  EXPECT_EQ(bounds(0, {}).area(), 0);
  // Around all of the picture; around one corner of it only.
  expect_box(bounds(0, clipped({-5, -5, 25, -5, 25, 25, -5, 25}, 20, 20)), 0, 0, 20, 20);
  expect_box(bounds(0, clipped({-5, -5, 15, -5, -5, 15}, 20, 20)), 0, 0, 10, 10);
  // A clamp whose back lies outside: two bars remain.
  expect_box(bounds(0, clipped({-8, 2, 6, 2, 6, 4, -4, 4, -4, 10, 9, 10, 9, 12, -8, 12}, 20, 20)), 0, 2, 9, 12);
  // What fits is left as it is.
  EXPECT_EQ(clipped(Polygon{1, 1, 19, 2, 3, 20}, 20, 20), (Polygon{1, 1, 19, 2, 3, 20}));
}

/// The box around those of 1000 points along the outline that lie inside: an independent way to the same box.
PixelBox bounds_of_points(const Polygon& p, float side, float& spacing) {
  const std::size_t corners = p.size() / 2, each = 1000 / corners;
  PixelBox box{0, side, side, 0, 0};
  for (std::size_t i = 0; i < corners; ++i) {
    const std::size_t next = (i + 1) % corners;
    const float dx = p[2 * next] - p[2 * i], dy = p[2 * next + 1] - p[2 * i + 1];
    spacing = std::max(spacing, std::hypot(dx, dy) / float(each));
    for (std::size_t k = 0; k < each; ++k) {
      const float t = float(k) / float(each), x = p[2 * i] + t * dx, y = p[2 * i + 1] + t * dy;
      if (x < 0 || x > side || y < 0 || y > side) continue;
      box.x1 = std::min(box.x1, x), box.x2 = std::max(box.x2, x);
      box.y1 = std::min(box.y1, y), box.y2 = std::max(box.y2, y);
    }
  }
  return box;
}

TEST(Polygons, ClippingAgreesWithDensePointsOnTheOutline) {
  Random random(7);
  constexpr float kSide = 100;
  int cut = 0;
  for (int round = 0; round < 500; ++round) {
    const int corners = 3 + int(random.below(30));
    const float cx = float(random.uniform(0, kSide)), cy = float(random.uniform(20, 80));  // reaches over one side
    Polygon star;
    for (int i = 0; i < corners; ++i) {
      const double angle = 2 * std::numbers::pi * i / corners, radius = random.uniform(4, 19);
      star.insert(star.end(), {cx + float(radius * std::cos(angle)), cy + float(radius * std::sin(angle))});
    }
    float spacing = 0;
    const PixelBox want = bounds_of_points(star, kSide, spacing), got = bounds(0, clipped(star, kSide, kSide));
    if (want.x1 > want.x2) continue;  // no point inside
    expect_box(got, want.x1, want.y1, want.x2, want.y2, spacing + 1e-4f);
    cut += bounds(0, star).x1 < 0 || bounds(0, star).x2 > kSide;
  }
  EXPECT_GT(cut, 50);
}

TEST(Polygons, PointsThatLieNowhereEndTheObject) {
  const Matrix3 pole{1, 0, 0, 0, 1, 0, -0.1f, 0, 1};  // the third coordinate of x = 10 is 0
  EXPECT_EQ(mapped(Polygon{0, 0, 10, 0, 0, 10}, pole, true), Polygon{});
  EXPECT_EQ(mapped(Polygon{0, 0, 5, 0, 0, 10}, pole, true), (Polygon{0, 0, 10, 0, 0, 10}));
  const PixelObjects objects{{{0, 0, 0, 10, 10}}, {{0, 0, 10, 0, 0, 10}}};
  EXPECT_TRUE(warped(objects, pole, true, 1, 20, 20).boxes.empty());
  EXPECT_EQ(warped(objects, kIdentity, true, 1, 20, 20).boxes.size(), 1u);
}

TEST(Polygons, AHundredthOfTheAreaIsEnoughToStay) {
  const Matrix3 shift{1, 0, -80, 0, 1, -80, 0, 0, 1};
  const Polygon square{0, 0, 100, 0, 100, 100, 0, 100};
  const std::vector<PixelBox> box{{0, 0, 0, 100, 100}};
  EXPECT_EQ(warped({box, {square}}, shift, false, 1, 100, 100).boxes.size(), 1u);  // 4% are left
  EXPECT_EQ(warped({box}, shift, false, 1, 100, 100).boxes.size(), 0u);
  const Matrix3 farther{1, 0, -91, 0, 1, -91, 0, 0, 1};
  EXPECT_EQ(warped({box, {square}}, farther, false, 1, 100, 100).boxes.size(), 0u);  // 0.8%

  const CutArea corner{80, 80, 120, 120};
  EXPECT_EQ(boxes_in_cut({box, {square}}, corner).size(), 1u);
  EXPECT_EQ(boxes_in_cut({box}, corner).size(), 0u);
  EXPECT_EQ(boxes_in_cut({box, {square}}, {91, 91, 120, 120}).size(), 0u);
}

TEST(Polygons, JoinedObjectsKeepOutlinesOnlyIfAllHaveThem) {
  const PixelObjects boxes{{{0, 0, 0, 4, 4}, {1, 0, 0, 4, 4}}}, outlined{{{2, 0, 0, 4, 4}}, {{0, 0, 4, 0, 0, 4}}};
  PixelObjects joined = outlined;
  append(joined, {});  // a background
  append(joined, outlined);
  EXPECT_EQ(joined.boxes.size(), 2u);
  EXPECT_EQ(joined.outlines.size(), 2u);
  append(joined, boxes);
  append(joined, outlined);
  EXPECT_EQ(joined.boxes.size(), 5u);
  EXPECT_FALSE(joined.has_outlines());
}

TEST(Polygons, ClippedObjectsKeepTheirOutlines) {
  const PixelObjects objects{{{0, -8, 0, -2, 4}, {1, -4, 0, 4, 8}}, {{-8, 0, -2, 0, -2, 4}, {-4, 0, 4, 0, 4, 8}}};
  const PixelObjects kept = clipped(objects, 10, 10);
  ASSERT_EQ(kept.boxes.size(), 1u);
  EXPECT_EQ(kept.boxes[0].cls, 1);
  expect_box(kept.boxes[0], 0, 0, 4, 8);
  ASSERT_EQ(kept.outlines.size(), 1u);
  expect_box(bounds(1, kept.outlines[0]), 0, 0, 4, 8);
}

Image numbered(int height, int width) {
  Image image{height, width, 1, {}};
  for (int i = 0; i < height * width; ++i) image.pixels.push_back(std::uint8_t(1 + i));
  return image;
}
std::vector<std::string> mask_of(const Polygon& outline, int height, int width) {
  Image onto{height, width, 1, std::vector<std::uint8_t>(std::size_t(height) * width)};
  const Image from = numbered(height, width);
  copy_inside(outline, from, onto);
  std::vector<std::string> rows(height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const std::uint8_t v = onto.row(y)[x];
      EXPECT_TRUE(v == 0 || v == from.row(y)[x]);
      rows[y] += v ? '#' : '.';
    }
  }
  return rows;
}

TEST(Polygons, PixelsWhoseCentresLieInsideAreCopied) {
  using Rows = std::vector<std::string>;
  EXPECT_EQ(mask_of({1, 1, 4, 1, 4, 3, 1, 3}, 4, 5), (Rows{".....", ".###.", ".###.", "....."}));
  EXPECT_EQ(mask_of({1.6f, 1.4f, 3.4f, 1.4f, 3.4f, 9, 1.6f, 9}, 4, 5), (Rows{".....", "..#..", "..#..", "..#.."}));
  EXPECT_EQ(mask_of({0, 0, 4.2f, 0, 0, 4.2f}, 4, 4), (Rows{"####", "###.", "##..", "#..."}));
  EXPECT_EQ(mask_of({-9, -9, 20, -9, 20, 20, -9, 20}, 2, 3), (Rows{"###", "###"}));
  // A ring: the hole's border is walked too, along the same bridge there and back.
  EXPECT_EQ(mask_of({0, 0, 5, 0, 5, 5, 0, 5, 0, 0, 1, 1, 1, 4, 4, 4, 4, 1, 1, 1}, 5, 5),
            (Rows{"#####", "#...#", "#...#", "#...#", "#####"}));
  EXPECT_EQ(mask_of({}, 1, 2), (Rows{".."}));
  EXPECT_EQ(mask_of({1, 1}, 2, 2), (Rows{"..", ".."}));
}

TEST(CopyPaste, ChoosesTheShareThatCoversLeast) {
  const PixelObjects objects{{{0, 0, 0, 10, 10}}};
  PixelObjects donors;
  for (const float x : {9.f, 7.f, 2.f, 30.f, 8.f, 40.f}) {  // they cover 10, 30, 80, 0, 20 and 0%
    donors.boxes.push_back({int(x), x, 0, x + 10, 10});
    donors.outlines.push_back({x, 0, x + 10, 0, x, 10});
  }
  const auto chosen = [&](double share) {
    const PixelObjects pasted = choose_pasted(donors, objects, share);
    std::vector<int> classes;
    for (std::size_t i = 0; i < pasted.boxes.size(); ++i) {
      classes.push_back(pasted.boxes[i].cls);
      EXPECT_EQ(pasted.outlines.at(i)[0], pasted.boxes[i].x1);
    }
    return classes;
  };
  EXPECT_EQ(chosen(1), (std::vector<int>{30, 40, 9, 8}));  // 7 covers just 30%
  EXPECT_EQ(chosen(0.5), (std::vector<int>{30, 40}));
  EXPECT_EQ(chosen(0.625), (std::vector<int>{30, 40}));  // 2.5 goes to the even number
  EXPECT_EQ(chosen(0.1), (std::vector<int>{}));
  EXPECT_EQ(choose_pasted({}, objects, 1).boxes.size(), 0u);
  EXPECT_EQ(choose_pasted({donors.boxes}, objects, 1).boxes.size(), 0u);
}

TEST(CopyPaste, PastesFromTheMirrorOrFromAnotherPicture) {
  Image a{2, 4, 3, {}}, b{2, 4, 3, std::vector<std::uint8_t>(24, 200)};
  for (int i = 0; i < 24; ++i) a.pixels.push_back(std::uint8_t(i));
  const std::vector<kernels::SourceImage> images{{a.pixels.data(), 2, 4}, {b.pixels.data(), 2, 4}};
  Stream stream;
  Paste paste{4, 2, {1, {{0, 0, 0, 4, 2, 0, 0}}}, true, {}, {{0, 0, 2, 0, 2, 1, 0, 1}}};
  Image want = a;
  std::copy_n(a.row(0) + 9, 3, want.row(0));      // pixel 3 to place 0
  std::copy_n(a.row(0) + 6, 3, want.row(0) + 3);  // 2 to 1
  EXPECT_EQ(render_paste(stream, paste, images).pixels, want.pixels);
  paste.mirror = false;
  paste.from = {1, {{1, 0, 0, 4, 2, 0, 0}}};
  std::fill_n(want.row(0), 6, 200);
  EXPECT_EQ(render_paste(stream, paste, images).pixels, want.pixels);
}

}  // namespace
}  // namespace boxcar
