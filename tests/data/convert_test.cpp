#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "boxcar/data/convert/coco.h"
#include "boxcar/data/convert/output_folder.h"
#include "boxcar/data/convert/voc.h"
#include "boxcar/data/dataset/data_config.h"
#include "boxcar/data/dataset/yolo_dataset.h"
#include "boxcar/data/image/encode.h"
#include "boxcar/runtime/base/error.h"
#include "support/files.h"
#include "support/folder.h"
#include "support/golden.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

TEST(ConvertVoc, BccdGivesItsLabelsByteForByte) {
  BOXCAR_NEED_SHARED();
  const test::Folder folder;
  const fs::path bccd = test::shared("data/bccd");
  std::vector<VocSplit> splits;
  for (const char* name : {"train", "val", "test"})
    splits.push_back({name, bccd / "annotations" / name, bccd / "images" / name});
  const ConvertReport report =
      convert_voc(splits, folder / "out", {.names = {"RBC", "WBC", "Platelets"}, .images = ImagePlacement::kSymlink});
  EXPECT_EQ(report.images, 364);
  EXPECT_EQ(report.objects, (std::vector<long long>{4153, 372, 361}));
  EXPECT_EQ(report.empty_boxes, 2);
  EXPECT_EQ(report.problems.size(), 2u);
  EXPECT_EQ(report.clipped_boxes, 0);
  int compared = 0;
  for (const auto& entry : fs::recursive_directory_iterator(bccd / "labels")) {
    if (entry.path().extension() != ".txt") continue;
    EXPECT_EQ(test::read_plainly(folder / "out" / fs::path("labels") / entry.path().parent_path().filename() /
                                 entry.path().filename()),
              test::read_plainly(entry.path()))
        << entry.path();
    ++compared;
  }
  EXPECT_EQ(compared, 364);
  const DataConfig config = load_data_config((folder / "out/data.yaml").string());
  EXPECT_EQ(config.names, report.names);
  EXPECT_EQ(config.test, std::vector{folder / "out/images/test"});
}

std::string object(const std::string& name, const std::string& box, const std::string& difficult = "0") {
  std::istringstream in(box);
  std::string x1, y1, x2, y2;
  in >> x1 >> y1 >> x2 >> y2;
  return "<object><name>" + name + "</name><difficult>" + difficult + "</difficult><bndbox><xmin>" + x1 +
         "</xmin><ymin>" + y1 + "</ymin><xmax>" + x2 + "</xmax><ymax>" + y2 + "</ymax></bndbox></object>";
}
std::string annotation(const std::string& objects) {
  return "<annotation><filename>whatever.jpg</filename><size><width>100</width><height>50</height></size>" + objects +
         "</annotation>";
}

class Voc : public testing::Test {
 protected:
  void add(const std::string& id, const std::string& xml) {
    folder_.write("xml/" + id + ".xml", xml);
    write_image(folder_ / ("pictures/" + id + ".png"), {50, 100, 3, std::vector<std::uint8_t>(15000, 7)});
  }
  ConvertReport convert(const VocOptions& options = {}) {
    fs::remove_all(folder_ / "out");
    return convert_voc({{"train", folder_ / "xml", folder_ / "pictures", list_}}, folder_ / "out", options);
  }
  test::Folder folder_;
  fs::path list_;
};

TEST_F(Voc, ClassesDifficultObjectsAndConventions) {
  add("a", annotation(object("yes", "11 11 31 21") + object("cat", "1 1 41 26", "1") + object("ant", "-5 40 20.5 90") +
                      object("ant", "5 5 5 9")));
  const ConvertReport found = convert();
  EXPECT_EQ(found.names, (std::vector<std::string>{"ant", "yes"}));
  EXPECT_EQ(found.difficult, 1);
  EXPECT_EQ(found.clipped_boxes, 1);
  EXPECT_EQ(found.empty_boxes, 1);
  EXPECT_EQ(folder_.read("out/labels/train/a.txt"),
            "1 0.210000 0.320000 0.200000 0.200000\n0 0.102500 0.900000 0.205000 0.200000\n");
  EXPECT_EQ(load_data_config((folder_ / "out").string(), {.split = "train"}).names, found.names)
      << "a name such as yes stays text";

  const ConvertReport given = convert({.names = {"cat", "yes"}, .keep_difficult = true, .subtract_one = true});
  EXPECT_EQ(given.other_classes, 2);
  EXPECT_EQ(folder_.read("out/labels/train/a.txt"),
            "1 0.200000 0.300000 0.200000 0.200000\n0 0.200000 0.250000 0.400000 0.500000\n");
  EXPECT_TRUE(fs::is_regular_file(folder_ / "out/images/train/a.png"));
}

TEST_F(Voc, BadAnnotationsAreReportedAndLeftOut) {
  add("good", annotation(object("cat", "1 1 9 9")));
  add("empty", annotation(""));
  for (const char* bad : {"<annotation>", "", "<x/>", "<annotation><object/></annotation>"})
    folder_.write("xml/bad" + std::to_string(std::string(bad).size()) + ".xml", bad);
  add("badnumber", annotation(object("cat", "1 1 nan 9")));
  folder_.write("xml/noimage.xml", annotation(object("cat", "1 1 9 9")));
  const ConvertReport report = convert();
  EXPECT_EQ(report.images, 2);
  EXPECT_EQ(report.problems.size(), 6u);
  EXPECT_EQ(folder_.read("out/labels/train/empty.txt"), "");
}

TEST_F(Voc, AListChoosesTheAnnotations) {
  add("a", annotation(object("cat", "1 1 9 9")));
  add("b", annotation(object("dog", "1 1 9 9")));
  list_ = folder_.write("train.txt", "b  1\n\n");
  EXPECT_EQ(convert().names, std::vector<std::string>{"dog"});
}

TEST_F(Voc, NothingIsLeftBehindOnFailure) {
  add("a", "no xml");
  const auto before = folder_.files();
  EXPECT_THROW(convert(), DataError);
  EXPECT_EQ(folder_.files(), before);
  EXPECT_THROW(convert_voc({{"best", folder_ / "xml", folder_ / "pictures"}}, folder_ / "out"), ArgumentError);
  EXPECT_THROW(convert_voc({{"train", folder_ / "xml", folder_ / "pictures"}}, folder_ / "xml"), ArgumentError);
}

TEST(ConvertCoco, TheTableOf80ClassesMatchesGolden) {
  BOXCAR_NEED_SHARED();
  const auto golden = test::read_json(test::shared("golden/data/paths.json"));
  const auto& table = golden["coco91_to_coco80"];
  ASSERT_EQ(table.size(), 91u);
  for (std::size_t i = 0; i < table.size(); ++i)
    EXPECT_EQ(coco80_class(static_cast<long long>(i) + 1), table[i].is_null() ? -1 : table[i].get<int>()) << i;
  EXPECT_EQ(coco80_class(0), -1);
}

std::string coco(const std::string& annotations) {
  return R"({"info": {}, "images": [{"id": 7, "file_name": "sub/x.y.jpg", "width": 640, "height": 480},
    {"id": 8, "file_name": "none.jpg", "width": 10, "height": 10}],
    "categories": [{"id": 13, "name": "stop sign"}, {"id": 1, "name": "person"}], "annotations": [)" +
         annotations + "]}";
}
std::string one(const std::string& category, const std::string& box, const std::string& more = "") {
  return R"({"image_id": 7, "category_id": )" + category + R"(, "bbox": )" + box + R"(, "segmentation": [[1, 2, 3]])" +
         more + "}";
}

TEST(ConvertCoco, WritesLabels) {
  const test::Folder folder;
  const auto file =
      folder.write("instances_tiny.json", coco(one("13", "[100, 50, 33, 20]") + "," + one("1", "[0, 0, 0, 5]") + "," +
                                               one("1", "[1, 2, 3, 4]", R"(, "iscrowd": 1)") + "," +
                                               one("13", "[100, 50, 33, 20]") + "," + one("1", "[-3, 0, 640, 480]")));
  const CocoReport report = convert_coco({file}, folder / "out");
  EXPECT_EQ(report.images, 2);
  EXPECT_EQ(report.label_files, 1);
  EXPECT_EQ(report.objects, 2);
  EXPECT_EQ(report.crowd + report.empty_boxes + report.repeated, 3);
  EXPECT_EQ(report.names, (std::map<int, std::string>{{0, "person"}, {11, "stop sign"}}));
  EXPECT_EQ(folder.read("out/tiny/sub/x.y.txt"), "11 0.182031 0.125 0.0515625 0.0416667\n0 0.495312 0.5 1 1\n");
  convert_coco({file}, folder / "order", {.classes = CocoClasses::kInOrder});
  EXPECT_EQ(folder.read("order/tiny/sub/x.y.txt").substr(0, 2), "1 ");
  convert_coco({file}, folder / "minus", {.classes = CocoClasses::kIdMinusOne});
  EXPECT_EQ(folder.read("minus/tiny/sub/x.y.txt").substr(0, 3), "12 ");
}

TEST(ConvertCoco, RefusesBadFilesAndLeavesNothingBehind) {
  const test::Folder folder;
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string("{}"), coco(one("12", "[1, 2, 3, 4]")),
        coco(one("1", "[1, 2, 3]")), coco(one("1", "\"x\"")), coco(R"({"image_id": 99})"), coco("3"),
        std::string(R"({"images": [{"id": 7, "file_name": "../../evil.jpg", "width": 9, "height": 9}],
                     "categories": [{"id": 1, "name": "a"}], "annotations": [)") +
            one("1", "[1, 2, 3, 4]") + "]}",
        std::string(100000, '[')}) {
    const auto file = folder.write("a.json", text);
    EXPECT_THROW(convert_coco({file}, folder / "out"), DataError) << text.substr(0, 300);
    EXPECT_EQ(folder.files(), std::vector<std::string>{"a.json"});
  }
  EXPECT_THROW(convert_coco({}, folder / "out"), ArgumentError);
  EXPECT_THROW(convert_coco({folder / "no.json"}, folder / "out"), IoError);
}

TEST(OutputFolder, StaysInsideAndAppearsAtOnce) {
  const test::Folder folder;
  fs::create_directories(folder / "out");
  {
    OutputFolder out(folder / "out/");
    out.write("a/b.txt", "x");
    EXPECT_THROW(out.write("../b.txt", "x"), ArgumentError);
    EXPECT_THROW(out.write("a/../../b.txt", "x"), ArgumentError);
    EXPECT_THROW(out.write("/b.txt", "x"), ArgumentError);
    EXPECT_FALSE(fs::exists(folder / "out/a"));
    out.commit();
  }
  EXPECT_EQ(folder.files(), std::vector<std::string>{"out/a/b.txt"});
  EXPECT_THROW(OutputFolder(folder / "out"), ArgumentError);
}

}  // namespace
}  // namespace boxcar
