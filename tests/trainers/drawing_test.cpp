#include <gtest/gtest.h>

#include <cmath>

#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/plots/batch_picture.h"
#include "boxcar/trainers/plots/canvas.h"
#include "boxcar/trainers/plots/draw_boxes.h"
#include "boxcar/trainers/plots/printable.h"

namespace boxcar {
namespace {

Color pixel(const Image& image, int x, int y) {
  const std::uint8_t* p = image.row(y) + x * 3;
  return {p[2], p[1], p[0]};
}

Image plain(int width, int height, std::uint8_t value) {
  return {height, width, 3, std::vector<std::uint8_t>(static_cast<std::size_t>(width) * height * 3, value)};
}

TEST(Palette, RepeatsAfterTwenty) {
  EXPECT_EQ(class_color(0), (Color{0x04, 0x2A, 0xFF}));
  EXPECT_EQ(class_color(39), (Color{0xA2, 0xFF, 0x0B}));
  EXPECT_EQ(class_color(-1), class_color(19));
  EXPECT_EQ(text_color_on(kWhite), kBlack);
  EXPECT_EQ(text_color_on(class_color(0)), kWhite);
}

TEST(Printable, MakesAnyBytesSafe) {
  EXPECT_EQ(printable("caf\xC3\xA9\n"), "caf\xC3\xA9 ");
  EXPECT_EQ(printable("\xff\xC0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(printable("\xED\xA0\x80").size(), 9u);  // a surrogate: three broken bytes
  EXPECT_EQ(printable("abcdef", 4), "abc\xE2\x80\xA6");
  EXPECT_EQ(printable("abcd", 4), "abcd");
  EXPECT_EQ(printable("\xE2\x82"), "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Canvas, KeepsPixelsAndColours) {
  Image image = plain(5, 3, 10);
  image.row(1)[2 * 3] = 77;  // blue of (2, 1)
  EXPECT_EQ(Canvas(image).image().pixels, image.pixels);
  Canvas canvas(4, 4);
  canvas.fill({1, 1, 2, 2}, {200, 100, 50});
  EXPECT_EQ(pixel(canvas.image(), 1, 1), (Color{200, 100, 50}));
  EXPECT_EQ(pixel(canvas.image(), 0, 0), kWhite);
}

TEST(Canvas, AcceptsGreyAndAnyText) {
  Canvas canvas(Image{2, 2, 1, {0, 50, 100, 150}});
  EXPECT_EQ(pixel(canvas.image(), 1, 1), (Color{150, 150, 150}));
  canvas.text(0, 2, "\xff\x01 \xE6\xBC\xA2", 8, kBlack);
  EXPECT_NO_THROW(canvas.image());
}

TEST(Canvas, RefusesBadSizes) {
  EXPECT_THROW(Canvas(0, 5), ArgumentError);
  EXPECT_THROW(Canvas(5, 40000), ArgumentError);
  EXPECT_THROW(Canvas(Image{}), ArgumentError);
}

TEST(DrawBoxes, StaysInItsArea) {
  Canvas canvas(200, 100);
  const Rect area{50, 20, 100, 60};
  const float inf = INFINITY;
  const std::vector<Box> boxes{{-1e9f, -1e9f, 1e9f, 1e9f, 0.9f, 0}, {NAN, 0, 10, 10, 0.9f, 1},
                               {0, 0, inf, inf, 0.5f, 2},           {140, 70, 149, 79, 0.5f, 3},
                               {60, 30, 60, 30, 0.5f, 4},           {0, 0, 5, 5, 0.5f, 5}};
  const std::vector<std::string> names{"a very long class name that does not fit", "b", "c", "d"};
  draw_boxes(canvas, area, boxes, names, {.line_width = 3, .font_size = 12});
  const Image out = canvas.image();
  int outside = 0;
  for (int y = 0; y < 100; ++y) {
    for (int x = 0; x < 200; ++x) {
      const bool inside = x >= 50 && x < 150 && y >= 20 && y < 80;
      outside += !inside && pixel(out, x, y) != kWhite;
    }
  }
  EXPECT_EQ(outside, 0);
  EXPECT_EQ(pixel(out, 51, 78), class_color(0));  // the huge box shows its edge
}

TEST(BatchPicture, FillsColumnByColumn) {
  std::vector<BatchItem> items;
  for (int i = 0; i < 3; ++i) items.push_back({plain(100, 60, static_cast<std::uint8_t>(50 + i * 50)), "", {}});
  const Image out = batch_picture(items, {});
  ASSERT_EQ(out.width, 200);
  ASSERT_EQ(out.height, 120);
  EXPECT_EQ(pixel(out, 50, 30).r, 50);
  EXPECT_EQ(pixel(out, 50, 90).r, 100);
  EXPECT_EQ(pixel(out, 150, 30).r, 150);
  EXPECT_EQ(pixel(out, 150, 90), kWhite);
}

TEST(BatchPicture, IsShrunkAndCut) {
  std::vector<BatchItem> items(20, {plain(640, 480, 90), "some name.jpg", {{10, 10, 300, 300, 0.9f, 0}}});
  const Image out = batch_picture(items, {}, {.max_side = 400});
  EXPECT_EQ(out.width, 400);
  EXPECT_EQ(out.height, 300);
}

TEST(BatchPicture, ShowsPredictionsAboveTheLimitOnly) {
  const BatchItem bare{plain(100, 100, 90), "", {}};
  BatchItem item = bare;
  item.boxes = {{20, 20, 80, 80, 0.25f, 0}};
  const auto draw = [](const BatchItem& i, bool scores) {
    return batch_picture(std::span(&i, 1), {}, {.scores = scores}).pixels;
  };
  EXPECT_EQ(draw(item, true), draw(bare, true));
  EXPECT_NE(draw(item, false), draw(bare, false));
  item.boxes[0].conf = 0.3f;
  EXPECT_NE(draw(item, true), draw(bare, true));
}

TEST(BatchPicture, RefusesNothing) {
  EXPECT_THROW(batch_picture({}, {}), ArgumentError);
  const std::vector<BatchItem> empty(1);
  EXPECT_THROW(batch_picture(empty, {}), ArgumentError);
}

TEST(BatchPicture, TakesTensorValues) {
  const std::vector<float> rgb{1, 0, 0.5f, -1, NAN, 2};
  const Image image = image_from_rgb(rgb, 1, 2);
  EXPECT_EQ(pixel(image, 0, 0), (Color{255, 0, 128}));
  EXPECT_EQ(pixel(image, 1, 0), (Color{0, 0, 255}));
  EXPECT_THROW(image_from_rgb(rgb, 2, 2), ArgumentError);
  const std::vector<BoxLabel> labels{{3, 0.5f, 0.5f, 0.5f, 1}};
  EXPECT_EQ(boxes_of_labels(labels, 100, 40).at(0), (Box{25, 0, 75, 40, 1, 3}));
}

}  // namespace
}  // namespace boxcar
