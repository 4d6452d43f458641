#include "boxcar/data/dataset/check.h"

#include <gtest/gtest.h>

#include "boxcar/data/image/encode.h"
#include "boxcar/runtime/base/error.h"
#include "support/folder.h"
#include "support/golden.h"

namespace boxcar {
namespace {

Image noise(std::uint8_t seed) {
  Image image{24, 32, 3, std::vector<std::uint8_t>(24 * 32 * 3)};
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(i * 37 + seed * i % 7 + seed);
  return image;
}

TEST(CheckData, FindsWhatIsWrong) {
  const test::Folder folder;
  const auto put = [&](const std::string& name, std::uint8_t seed, const std::string& labels) {
    write_image(folder / ("images/" + name + ".png"), noise(seed));
    folder.write("labels/" + name + ".txt", labels);
  };
  put("train/a", 1, "0 .5 .5 .2 .2\n1 .02 .5 .2 .2\n");
  put("train/b", 2, "1 .5 .5 0 .2\n1 .95 .5 .1 .1\n");
  put("train/c", 2, "");
  put("train/d", 3, "9 .5 .5 .1 .1\n");
  put("val/e", 1, "0 .5 .5 .2 .2\n");
  auto jpeg = encode_jpeg(noise(9));
  jpeg.erase(jpeg.end() - 300, jpeg.end());  // some of its image data
  jpeg.insert(jpeg.end(), {0xFF, 0xD9});
  folder.write("images/val/f.jpg", {reinterpret_cast<const char*>(jpeg.data()), jpeg.size()});
  folder.write("data.yaml", "train: images/train\nval: images/val\nnames: [cat, dog]\n");
  const auto before = folder.files();

  const DataConfig config = load_data_config((folder / "data.yaml").string());
  const DataReport report = check_data(config);
  ASSERT_EQ(report.splits.size(), 2u);
  EXPECT_EQ(report.summary(),
            "4 train, 2 val; cat 2, dog 3; 1 corrupt images, 1 images in both splits, 1 boxes outside");
  EXPECT_EQ(report.splits[0].boxes_empty, 1);
  EXPECT_EQ(report.splits[0].objects, (std::vector<long long>{1, 3}));
  EXPECT_EQ(report.splits[1].damaged, 1);
  ASSERT_EQ(report.same.size(), 2u);
  EXPECT_EQ(report.same[0].files, (std::vector{folder / "images/train/a.png", folder / "images/val/e.png"}));
  EXPECT_TRUE(report.same[0].in_several_splits);
  EXPECT_FALSE(report.same[1].in_several_splits);
  EXPECT_EQ(check_data(config, false).splits[1].damaged, 0);
  EXPECT_EQ(folder.files(), before);
}

TEST(CheckData, BccdIsSound) {
  BOXCAR_NEED_SHARED();
  const DataReport report = check_data(load_data_config(test::shared("data/bccd/bccd.yaml").string()), false);
  EXPECT_EQ(
      report.summary(),
      "205 train, 87 val, 72 test; RBC 4153, WBC 372, Platelets 361; 0 corrupt images, 0 images in both splits, 0 "
      "boxes outside");
  EXPECT_TRUE(report.same.empty());
}

}  // namespace
}  // namespace boxcar
