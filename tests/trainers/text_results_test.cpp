#include "boxcar/trainers/metrics/text_results.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

TEST(TextResults, LinesHaveSixDigits) {
  const std::vector<Box> boxes{{0, 0, 64, 32, 0.00622f, 1}, {10, 10, 20, 20, 0.5f, 0}};
  EXPECT_EQ(label_lines(boxes, 64, 64, true), "1 0.5 0.25 1 0.5 0.00622\n0 0.234375 0.234375 0.15625 0.15625 0.5\n");
  EXPECT_EQ(label_lines(std::vector<Box>{{0, 0, 1, 1, 1, 3}}, 3, 3, false), "3 0.166667 0.166667 0.333333 0.333333\n");
  EXPECT_THROW(label_lines({}, 0, 3, false), ArgumentError);
}

TEST(TextResults, StemsTellFoldersApart) {
  const std::vector<std::filesystem::path> images{"/d/a/x.jpg", "/d/b/x.jpg", "/d/b/c/y.png"};
  EXPECT_EQ(label_stems(images), (std::vector<std::string>{"a_x", "b_x", "b_c_y"}));
  EXPECT_EQ(label_stems(std::vector<std::filesystem::path>{"/d/a/x.jpg"}), std::vector<std::string>{"x"});
  EXPECT_TRUE(label_stems({}).empty());
}

TEST(TextResults, NothingIsWrittenForNoBoxes) {
  append_label_file("/nowhere/at/all.txt", "");
  EXPECT_THROW(append_label_file("/proc/none/all.txt", "0 0 0 0 0\n"), IoError);
}

TEST(TextResults, TableHasTheColumnsOfTheReference) {
  EXPECT_EQ(validation_header(),
            "                 Class     Images  Instances      Box(P          R      mAP50  mAP50-95)");
  EXPECT_EQ(validation_row("all", 4, 8, 0, 0.5, 0.123456, 1),
            "                   all          4          8          0        0.5      0.123          1");
}

TEST(TextResults, ALineAClass) {
  DetMetricsBuilder b(3);
  b.add("a.jpg", {}, std::vector<TruthBox>{{0, 0, 1, 1, 0}, {0, 0, 1, 1, 2}});
  const std::vector<std::string> names{"cat", "dog"};
  const auto rows = validation_rows(b.build(), names, true);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_NE(rows[1].find("cat"), std::string::npos);
  EXPECT_NE(rows[2].find(" 2 "), std::string::npos);  // a class without a name
  EXPECT_EQ(validation_rows(b.build(), names, false).size(), 1u);
}

}  // namespace
}  // namespace boxcar
