#include "boxcar/data/image/encode.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "boxcar/data/image/decode.h"
#include "boxcar/runtime/base/error.h"
#include "support/folder.h"

namespace boxcar {
namespace {

Image gradient(int height, int width, int channels) {
  Image image{height, width, channels, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) image.pixels.push_back(static_cast<std::uint8_t>(3 * x + 2 * y + 40 * c));
  return image;
}

TEST(EncodePng, RoundTripIsExact) {
  for (const int channels : {1, 3}) {
    const Image in = gradient(13, 17, channels);
    const Image out = decode_image(encode_png(in), "png", {.channels = channels});
    EXPECT_TRUE(out.pixels == in.pixels) << channels;
    EXPECT_TRUE(probe_image(encode_png(in)).ok);
  }
}

TEST(EncodeJpeg, RoundTripIsClose) {
  for (const int channels : {1, 3}) {
    const Image in = gradient(13, 17, channels);
    const auto bytes = encode_jpeg(in, {.quality = 100, .subsample_chroma = false});
    const Image out = decode_image(bytes, "jpeg", {.channels = channels});
    ASSERT_EQ(out.pixels.size(), in.pixels.size());
    for (std::size_t i = 0; i < in.pixels.size(); ++i) EXPECT_NEAR(out.pixels[i], in.pixels[i], 4);
    EXPECT_EQ(bytes, encode_jpeg(in, {.quality = 100, .subsample_chroma = false}));
  }
  EXPECT_LT(encode_jpeg(gradient(64, 64, 3), {.quality = 30}).size(), encode_jpeg(gradient(64, 64, 3)).size());
}

TEST(EncodeImage, RefusesWhatItCannotWrite) {
  EXPECT_THROW(encode_jpeg(Image{}), ArgumentError);
  EXPECT_THROW(encode_png(Image{}), ArgumentError);
  EXPECT_THROW(encode_jpeg(gradient(4, 4, 3), {.quality = 0}), ArgumentError);
  EXPECT_THROW(encode_png(Image{2, 2, 2, std::vector<std::uint8_t>(8)}), ArgumentError);
}

TEST(WriteImage, ChoosesByTheSuffixAndLeavesNothingElseBehind) {
  const test::Folder folder;
  const Image in = gradient(12, 12, 3);
  write_image(folder / "a/b.PNG", in);
  write_image(folder / "a/b.jpg", in);
  EXPECT_TRUE(decode_image(folder / "a/b.PNG").pixels == in.pixels);
  EXPECT_EQ(probe_image(folder / "a/b.jpg").format, ImageFormat::kJpeg);
  EXPECT_THROW(write_image(folder / "a/b.gif", in), ArgumentError);
  write_image(folder / "file.png", in);
  EXPECT_THROW(write_image(folder / "file.png/below.png", in), IoError);
  EXPECT_EQ(folder.files(), (std::vector<std::string>{"a/b.PNG", "a/b.jpg", "file.png"}));
}

}  // namespace
}  // namespace boxcar
