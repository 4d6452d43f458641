#include "boxcar/trainers/results/results.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "boxcar/data/image/decode.h"
#include "boxcar/runtime/base/error.h"
#include "support/folder.h"

namespace boxcar {
namespace {

Results example() {
  Results r;
  r.path = "dir/photo.png";
  r.width = 64, r.height = 32;
  r.boxes = {{0, 0, 64, 32, 0.00622f, 1}, {8, 8, 16, 24, 0.5f, 0}, {10, 10, 20, 20, 0.25f, 1}};
  r.names = std::make_shared<const std::vector<std::string>>(std::vector<std::string>{"red", "blue"});
  r.image = std::make_shared<const Image>(Image{32, 64, 3, std::vector<std::uint8_t>(32 * 64 * 3, 200)});
  return r;
}

TEST(Results, BoxesInAllForms) {
  const Results r = example();
  EXPECT_EQ(r.xywh()[1], (std::array<float, 4>{12, 16, 8, 16}));
  EXPECT_EQ(r.xywhn()[1], (std::array<float, 4>{0.1875f, 0.5f, 0.125f, 0.5f}));
  EXPECT_EQ(r.xyxyn()[1], (std::array<float, 4>{0.125f, 0.25f, 0.25f, 0.75f}));
}

TEST(Results, JsonHasTheReferencesForm) {
  Results r = example();
  r.boxes.resize(1);
  EXPECT_EQ(r.to_json(),
            R"([{"name":"blue","class":1,"confidence":0.00622,"box":{"x1":0.0,"y1":0.0,"x2":64.0,"y2":32.0}}])");
  EXPECT_EQ(nlohmann::json::parse(r.to_json(true))[0]["box"]["x2"], 1.0);
  r.boxes.clear();
  EXPECT_EQ(r.to_json(), "[]");
}

TEST(Results, JsonSurvivesBrokenNames) {
  Results r = example();
  r.names = std::make_shared<const std::vector<std::string>>(std::vector<std::string>{"\xff\"", "\n"});
  EXPECT_NO_THROW(nlohmann::json::parse(r.to_json()));
  r.names = nullptr;
  EXPECT_EQ(nlohmann::json::parse(r.to_json())[0]["name"], "1");
}

TEST(Results, VerboseCountsByClass) {
  Results r = example();
  EXPECT_EQ(r.verbose(), "1 red, 2 blues, ");
  r.boxes.clear();
  EXPECT_EQ(r.verbose(), "(no detections), ");
}

TEST(Results, SaveTxtAppends) {
  const test::Folder folder;
  Results r = example();
  r.boxes.resize(1);
  r.save_txt(folder / "labels/a.txt", true);
  r.save_txt(folder / "labels/a.txt");
  EXPECT_EQ(folder.read("labels/a.txt"), "1 0.5 0.5 1 1 0.00622\n1 0.5 0.5 1 1\n");
  r.boxes.clear();
  r.save_txt(folder / "labels/b.txt");
  EXPECT_EQ(folder.files(), std::vector<std::string>{"labels/a.txt"});
}

TEST(Results, CropIsTheBoxWithAMargin) {
  Results r = example();
  const Image c = r.crop(1);  // x 12 +- (8 * 1.02 + 10) / 2 = 2.92..21.08, y 16 +- 13.16
  EXPECT_EQ(c.width, 21 - 2);
  EXPECT_EQ(c.height, 29 - 2);
  EXPECT_EQ(r.crop(0).width, 64);
  EXPECT_THROW(r.crop(3), ArgumentError);
  r.boxes = {{500, 500, 600, 600, 0.5f, 0}, {NAN, 0, 1, 1, 0.5f, 0}};
  EXPECT_TRUE(r.crop(0).empty());
  EXPECT_TRUE(r.crop(1).empty());
}

TEST(Results, CropsStayInTheirFolder) {
  const test::Folder folder;
  Results r = example();
  r.names = std::make_shared<const std::vector<std::string>>(std::vector<std::string>{"..", "../../x"});
  r.save_crop(folder / "crops");
  EXPECT_EQ(folder.files(),
            (std::vector<std::string>{"crops/.._.._x/photo-2.jpg", "crops/.._.._x/photo.jpg", "crops/_../photo.jpg"}));
}

TEST(Results, PlotsAndSaves) {
  const test::Folder folder;
  const Results r = example();
  r.save(folder / "out.png");
  const Image saved = decode_image(folder / "out.png");
  EXPECT_EQ(saved.width, 64);
  EXPECT_EQ(saved.pixels, r.plot().pixels);
  EXPECT_NE(saved.pixels, r.image->pixels);
  EXPECT_EQ(r.plot({.boxes = false}).pixels, r.image->pixels);
  Results gone = r;
  gone.image = nullptr;
  EXPECT_THROW(gone.plot(), Error);
}

}  // namespace
}  // namespace boxcar
