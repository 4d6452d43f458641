#include "boxcar/data/image/resize.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/random/philox.h"
#include "support/golden.h"
#include "support/images.h"
#include "support/simd.h"  // before any header of Highway

namespace boxcar {
namespace {

using test::image_from;

TEST(ResizeOnLoadSize, LongSideBecomesImgszTheOtherIsRoundedUp) {
  EXPECT_EQ(resize_on_load_size(480, 640, 640), (ResizedSize{480, 640}));
  EXPECT_EQ(resize_on_load_size(48, 64, 128), (ResizedSize{96, 128}));
  EXPECT_EQ(resize_on_load_size(1, 100000, 64), (ResizedSize{1, 64}));
  EXPECT_THROW(resize_on_load_size(0, 4, 64), ArgumentError);
  EXPECT_THROW(resize_on_load_size(4, 4, 0), ArgumentError);
}

TEST(ResizeOnLoadSize, MatchesGolden) {
  BOXCAR_NEED_SHARED();
  const auto golden = test::read_json(test::shared("golden/data/resize_dims.json"));
  ASSERT_EQ(golden["rows"].size(), 300u);
  for (const auto& row : golden["rows"])
    EXPECT_EQ(resize_on_load_size(row[0], row[1], row[2]), (ResizedSize{row[3], row[4]})) << row;
}

TEST(ResizeBilinear, MatchesGoldenExactly) {
  BOXCAR_NEED_SHARED();
  const auto golden = test::read_json(test::shared("golden/data/resize.json"));
  const auto tensors = test::read_golden(test::shared("golden/data/resize.safetensors"));
  ASSERT_EQ(golden["cases"].size(), 19u);
  for (const auto& c : golden["cases"]) {
    const Image in = image_from(tensors.at(c["input"])), want = image_from(tensors.at(c["output"]));
    const ResizedSize size = resize_on_load_size(in.height, in.width, c["imgsz"]);
    const Image out = resize_bilinear(in, size.height, size.width);
    EXPECT_EQ(out.height, want.height) << c;
    EXPECT_EQ(out.width, want.width) << c;
    EXPECT_TRUE(out.pixels == want.pixels) << c;
  }
}

TEST(ResizeBilinear, KeepsConstantImagesAndEqualSizes) {
  Image flat{5, 7, 3, std::vector<std::uint8_t>(105, 200)};
  for (const auto& [h, w] : {std::pair{1, 1}, {3, 20}, {11, 2}, {5, 7}}) {
    const Image out = resize_bilinear(flat, h, w);
    ASSERT_EQ(out.pixels.size(), static_cast<std::size_t>(h * w * 3));
    for (const auto p : out.pixels) EXPECT_EQ(p, 200);
  }
}

// Three channels go through vectors, one channel does not.
TEST(ResizeBilinear, ColoursEqualThreeGreyImages) {
  Random random(5);
  test::on_every_target([&] {
    for (int round = 0; round < 100; ++round) {
      const auto side = [&] { return 1 + static_cast<int>(random.below(round % 3 == 0 ? 5 : 80)); };
      Image colour{side(), side(), 3, {}};
      for (int i = 0; i < 3 * colour.height * colour.width; ++i) {
        colour.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
      }
      colour.pixels.shrink_to_fit();
      const int height = side(), width = side();
      const Image out = resize_bilinear(colour, height, width);
      for (int c = 0; c < 3; ++c) {
        Image grey{colour.height, colour.width, 1, {}};
        for (std::size_t i = c; i < colour.pixels.size(); i += 3) grey.pixels.push_back(colour.pixels[i]);
        const Image want = resize_bilinear(grey, height, width);
        for (std::size_t i = 0; i < want.pixels.size(); ++i) ASSERT_EQ(out.pixels[3 * i + c], want.pixels[i]) << round;
      }
    }
  });
}

TEST(ResizeBilinear, HandWorkedGreyRow) {
  // Two pixels to four: centres at -0.25, 0.25, 0.75, 1.25 of the source.
  const Image out = resize_bilinear({1, 2, 1, {0, 100}}, 1, 4);
  EXPECT_EQ(out.pixels, (std::vector<std::uint8_t>{0, 25, 75, 100}));
}

TEST(ResizeBilinear, OnePixelAndBadSizes) {
  const Image out = resize_bilinear({1, 1, 3, {1, 2, 3}}, 2, 2);
  EXPECT_EQ(out.pixels, (std::vector<std::uint8_t>{1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}));
  EXPECT_THROW(resize_bilinear({1, 1, 1, {9}}, 0, 3), ArgumentError);
  EXPECT_THROW(resize_bilinear(Image{}, 2, 3), ArgumentError);
}

}  // namespace
}  // namespace boxcar
