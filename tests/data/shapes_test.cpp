#include "boxcar/data/convert/shapes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "boxcar/data/convert/shape_scene.h"
#include "boxcar/data/dataset/check.h"
#include "boxcar/runtime/base/error.h"
#include "support/folder.h"

namespace boxcar {
namespace {

TEST(DrawShapes, GivesASoundDataSet) {
  const test::Folder folder;
  const ShapesReport drawn = draw_shapes_dataset(folder / "set", {.images = 40, .imgsz = 96, .seed = 5});
  EXPECT_EQ(drawn.train, 32);
  EXPECT_EQ(drawn.val, 8);
  const DataConfig config = load_data_config((folder / "set").string());
  EXPECT_EQ(config.names, drawn.names);
  const DataReport report = check_data(config);
  EXPECT_EQ(report.corrupt(), 0);
  EXPECT_EQ(report.boxes_outside(), 0);
  EXPECT_TRUE(report.same.empty());
  long long objects = 0;
  std::vector<long long> by_class(config.names.size(), 0);
  for (const SplitReport& split : report.splits) {
    EXPECT_TRUE(split.problems.empty());
    EXPECT_EQ(split.boxes_empty, 0);
    for (std::size_t c = 0; c < by_class.size(); ++c) by_class[c] += split.objects[c], objects += split.objects[c];
  }
  EXPECT_EQ(objects, drawn.objects);
  EXPECT_GT(*std::min_element(by_class.begin(), by_class.end()), 0);
}

TEST(DrawShapes, TheSameSeedGivesTheSameBytesWhateverTheThreads) {
  const test::Folder folder;
  const ShapesOptions options{.images = 8, .imgsz = 64, .seed = 3, .threads = 1};
  ShapesOptions many = options, other = options;
  many.threads = 5;
  other.seed = 4;
  draw_shapes_dataset(folder / "a", options);
  draw_shapes_dataset(folder / "b", many);
  draw_shapes_dataset(folder / "c", other);
  int different = 0;
  for (const std::string& name : folder.files()) {
    if (name[0] != 'a') continue;
    EXPECT_EQ(folder.read(name), folder.read("b" + name.substr(1))) << name;
    different += folder.read(name) != folder.read("c" + name.substr(1));
  }
  EXPECT_GE(different, 8);
}

TEST(DrawShapes, BoxesFitAndEmptyScenesHaveNone) {
  std::set<int> classes;
  for (std::uint64_t i = 0; i < 30; ++i) {
    Random random(1, i);
    const ShapeScene scene = draw_shape_scene(random, 80, 9, i % 10 == 0);
    EXPECT_EQ(std::max(scene.image.height, scene.image.width), 80);
    EXPECT_TRUE(i % 10 != 0 || scene.boxes.empty());
    for (const BoxLabel& b : scene.boxes) {
      classes.insert(b.cls);
      EXPECT_GE(b.xc - b.w / 2, -1e-5);
      EXPECT_GE(b.yc - b.h / 2, -1e-5);
      EXPECT_LE(b.xc + b.w / 2, 1 + 1e-5);
      EXPECT_LE(b.yc + b.h / 2, 1 + 1e-5);
    }
  }
  EXPECT_EQ(classes.size(), std::size(kShapeNames));
}

TEST(DrawShapes, RefusesBadOptions) {
  const test::Folder folder;
  for (const ShapesOptions& bad : {ShapesOptions{.images = 1}, ShapesOptions{.imgsz = 8}, ShapesOptions{.imgsz = 9999},
                                   ShapesOptions{.val_fraction = 2}, ShapesOptions{.most_objects = 0},
                                   ShapesOptions{.empty_fraction = -1}, ShapesOptions{.jpeg_quality = 0}})
    EXPECT_THROW(draw_shapes_dataset(folder / "x", bad), ArgumentError);
  EXPECT_TRUE(folder.files().empty());
}

}  // namespace
}  // namespace boxcar
