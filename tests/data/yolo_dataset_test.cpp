#include "boxcar/data/dataset/yolo_dataset.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

#include "boxcar/data/dataset/data_config.h"
#include "boxcar/data/dataset/workers.h"
#include "boxcar/data/image/encode.h"
#include "boxcar/data/image/file_bytes.h"
#include "boxcar/runtime/base/error.h"
#include "support/folder.h"
#include "support/golden.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

Image flat(int height, int width, std::uint8_t value) {
  return {height, width, 3, std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 3), value)};
}

class YoloFolder : public testing::Test {
 protected:
  void image(const std::string& name, int height = 20, int width = 30) {
    write_image(folder_ / ("images/" + name), flat(height, width, 99));
  }
  void labels(const std::string& name, const std::string& text) { folder_.write("labels/" + name + ".txt", text); }
  YoloDataset open(YoloDatasetOptions options = {}) {
    if (options.num_classes == 0) options.num_classes = 3;
    options.log = Log([this](LogLevel level, std::string_view text) {
      (level == LogLevel::kWarning ? warnings_ : infos_).emplace_back(text);
    });
    return YoloDataset({folder_ / "images"}, options);
  }
  test::Folder folder_;
  std::vector<std::string> infos_, warnings_;
};

TEST_F(YoloFolder, ScansDecodesAndCounts) {
  image("a.png");
  labels("a", "0 .5 .5 .2 .2\n2 .1 .1 .1 .1\n");
  image("b.jpg", 40, 25);
  image("c.png");
  labels("c", "\n");
  image("d.png");
  labels("d", "5 .5 .5 .2 .2\n");
  folder_.write("images/e.png", "no picture");
  labels("e", "0 .5 .5 .2 .2\n");
  image("tiny.png", 9, 30);
  const YoloDataset data = open({.training = true, .name = "train"});
  ASSERT_EQ(data.size(), 3u);
  EXPECT_EQ(data.counts().summary(), "6 images, 2 backgrounds, 3 corrupt");
  EXPECT_EQ(data.counts().label_files, 4);
  EXPECT_EQ(infos_, std::vector{"train: " + (folder_ / "images").string() + ": 6 images, 2 backgrounds, 3 corrupt"});
  ASSERT_EQ(data.problems().size(), 3u);
  EXPECT_NE(data.problems()[0].text.find("class 5"), std::string::npos);
  EXPECT_EQ(data.problems()[1].image, folder_ / "images/e.png");
  EXPECT_TRUE(data.problems()[1].left_out);
  EXPECT_NE(data.problems()[2].text.find("30x9"), std::string::npos);
  EXPECT_EQ(data.image_size(1).height, 40);
  EXPECT_EQ(data.labels(0).size(), 2u);
  const Sample sample = data.get(0);
  EXPECT_EQ(sample.path, folder_ / "images/a.png");
  EXPECT_EQ(sample.boxes, data.labels(0));
  EXPECT_TRUE(sample.image.pixels == flat(20, 30, 99).pixels);
  EXPECT_THROW(data.get(3), std::out_of_range);
}

TEST_F(YoloFolder, TheOutcomeDoesNotDependOnThreads) {
  for (int i = 0; i < 30; ++i) {
    image(std::to_string(i) + ".png");
    labels(std::to_string(i), i % 7 == 3 ? "bad" : std::to_string(i % 4) + " .5 .5 .1 .1");
  }
  const YoloDataset one = open({.threads = 1}), many = open({.threads = 7});
  ASSERT_EQ(one.size(), many.size());
  ASSERT_EQ(one.problems().size(), many.problems().size());
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one.labels(i), many.labels(i));
  for (std::size_t i = 0; i < one.problems().size(); ++i) EXPECT_EQ(one.problems()[i].text, many.problems()[i].text);
}

TEST_F(YoloFolder, FilterAndSingleClass) {
  image("a.png");
  labels("a", "0 .5 .5 .2 .2\n2 .1 .1 .1 .1\n1 .3 .3 .1 .1\n");
  image("b.png");
  labels("b", "1 .5 .5 .2 .2\n");
  const YoloDataset filtered = open({.classes = {2, 0}});
  ASSERT_EQ(filtered.size(), 2u);
  ASSERT_EQ(filtered.labels(0).size(), 2u);
  EXPECT_EQ(filtered.labels(0)[1].cls, 2);
  EXPECT_TRUE(filtered.labels(1).empty());
  labels("b", "77 .5 .5 .2 .2\n");
  const YoloDataset single = open({.num_classes = 1, .single_cls = true});
  ASSERT_EQ(single.size(), 2u);
  for (const BoxLabel& box : single.labels(0)) EXPECT_EQ(box.cls, 0);
  EXPECT_EQ(single.labels(1).at(0).cls, 0);
}

TEST_F(YoloFolder, PolygonsAreKeptOnlyWhereAllObjectsHaveThem) {
  image("a.png");
  labels("a", "0 .1 .1 .4 .1 .4 .4\n1 .2 .2 .6 .2 .6 .6\n");
  const YoloDataset all = open({.classes = {1}});
  EXPECT_TRUE(all.has_polygons());
  ASSERT_EQ(all.polygons(0).size(), 1u);
  EXPECT_EQ(all.polygons(0)[0][0], .2f);
  image("b.png");
  labels("b", "0 .5 .5 .2 .2\n");
  const YoloDataset mixed = open();
  EXPECT_FALSE(mixed.has_polygons());
  EXPECT_EQ(mixed.labels(0).size(), 2u);
  EXPECT_NE(warnings_.back().find("2 of 3 objects are polygons"), std::string::npos);
}

TEST_F(YoloFolder, ErrorsAndWarningsAboutTheWholeSet) {
  EXPECT_THROW(open(), DataError);  // no such folder
  image("a.png");
  EXPECT_THROW(open({.training = true}), DataError);
  EXPECT_EQ(open().size(), 1u);
  EXPECT_NE(warnings_.back().find("no image has a label file"), std::string::npos);
  labels("a", "");
  EXPECT_EQ(open({.training = true}).size(), 1u);
  EXPECT_NE(warnings_.back().find("all label files are empty"), std::string::npos);
  labels("a", "x");
  try {
    open();
    FAIL();
  } catch (const DataError& e) {
    EXPECT_NE(std::string(e.what()).find("line 1: 'x' is not a number"), std::string::npos) << e.what();
  }
}

TEST_F(YoloFolder, FractionKeepsTheHeadOfTheSortedList) {
  for (const char* name : {"c.png", "a.png", "b.png", "d.png"}) image(name);
  const YoloDataset half = open({.fraction = 0.5});
  ASSERT_EQ(half.size(), 2u);
  EXPECT_EQ(half.path(1).filename(), "b.png");
  EXPECT_THROW(open({.fraction = 0}), ArgumentError);
}

TEST_F(YoloFolder, AFileThatChangedMeanwhileIsRefused) {
  image("a.png");
  const YoloDataset data = open();
  image("a.png", 50, 50);
  EXPECT_THROW(data.get(0), DataError);
  fs::remove(folder_ / "images/a.png");
  EXPECT_THROW(data.get(0), IoError);
}

TEST_F(YoloFolder, ABrokenJpegIsMendedInMemoryAndTheFileLeftAlone) {
  auto bytes = encode_jpeg(flat(32, 32, 70));
  bytes.push_back(0);
  folder_.write("images/a.jpg", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  const YoloDataset data = open();
  EXPECT_EQ(data.counts().repaired, 1);
  EXPECT_FALSE(data.problems().at(0).left_out);
  EXPECT_EQ(data.get(0).image.pixels[0], 70);
  EXPECT_EQ(read_file_bytes(folder_ / "images/a.jpg", 1 << 20), bytes);
  EXPECT_EQ(folder_.files(), std::vector<std::string>{"images/a.jpg"});
}

TEST(YoloDataset, ReadsBccd) {
  BOXCAR_NEED_SHARED();
  const DataConfig config = load_data_config(test::shared("data/bccd/bccd.yaml").string());
  EXPECT_EQ(config.names, (std::vector<std::string>{"RBC", "WBC", "Platelets"}));
  struct Split {
    std::vector<fs::path> sources;
    std::size_t images, boxes;
  };
  for (const auto& [sources, images, boxes] :
       {Split{config.train, 205, 2804}, Split{config.val, 87, 1137}, Split{config.test, 72, 945}}) {
    const YoloDataset data(sources, {.num_classes = config.nc, .training = true});
    EXPECT_EQ(data.size(), images);
    EXPECT_TRUE(data.problems().empty());
    std::size_t count = 0;
    for (std::size_t i = 0; i < data.size(); ++i) count += data.labels(i).size();
    EXPECT_EQ(count, boxes);
    EXPECT_EQ(data.image_size(0).width, 640);
    EXPECT_EQ(data.get(0).image.height, 480);
  }
}

TEST(RunOnWorkers, DoesEverythingOnceAndHandsOnExceptions) {
  std::vector<std::atomic<int>> calls(100);
  run_on_workers(calls.size(), 5, [&](std::size_t i) { ++calls[i]; });
  for (const auto& c : calls) EXPECT_EQ(c, 1);
  run_on_workers(0, 3, [](std::size_t) { FAIL(); });
  EXPECT_THROW(run_on_workers(50, 3,
                              [](std::size_t i) {
                                if (i == 20) throw std::runtime_error("x");
                              }),
               std::runtime_error);
}

}  // namespace
}  // namespace boxcar
