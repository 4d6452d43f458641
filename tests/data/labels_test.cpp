#include "boxcar/data/dataset/labels.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "boxcar/data/dataset/number.h"
#include "support/folder.h"
#include "support/golden.h"

namespace boxcar {
namespace {

/// The golden texts are UTF-8 in the JSON; a Latin-1 one has to become single bytes again.
std::string to_latin1(const std::string& utf8) {
  std::string out;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    if (c < 0x80) {
      out += utf8[i];
    } else {
      out += static_cast<char>((c & 3) << 6 | (static_cast<unsigned char>(utf8[++i]) & 0x3F));
    }
  }
  return out;
}

std::string verdict_of(LabelState state) {
  switch (state) {
    case LabelState::kLabelled:
      return "ok";
    case LabelState::kEmpty:
      return "empty: background";
    case LabelState::kMissing:
      return "label file missing: background";
    default:
      return "corrupt: image left out";
  }
}

TEST(ReadLabels, MatchesAllGoldenCases) {
  BOXCAR_NEED_SHARED();
  const auto golden = test::read_json(test::shared("golden/data/labels.json"));
  ASSERT_EQ(golden["cases"].size(), 56u);
  const test::Folder folder;
  int number = 0;
  for (const auto& c : golden["cases"]) {
    const std::string name = c["name"];
    const std::string file = std::to_string(number++) + ".txt";
    if (!c["text"].is_null()) {
      const std::string text = c["text"];
      folder.write(file, c["latin1"].get<bool>() ? to_latin1(text) : text);
    }
    const ParsedLabels got = read_labels(folder / file, {c["nc"], c["single_cls"]});
    EXPECT_EQ(verdict_of(got.state), c["verdict"]) << name << ": " << got.problem;
    EXPECT_EQ(got.problem.empty(), got.state != LabelState::kCorrupt) << name;
    EXPECT_EQ(got.duplicates > 0, c["removed_duplicates"].get<bool>()) << name;
    EXPECT_EQ(got.polygons.size(), c["segments"].get<std::size_t>()) << name;
    if (c["labels"].is_null()) continue;
    ASSERT_EQ(got.boxes.size(), c["labels"].size()) << name;
    for (std::size_t i = 0; i < got.boxes.size(); ++i) {
      const auto& row = c["labels"][i];
      const BoxLabel want{row[0].get<int>(), row[1], row[2], row[3], row[4]};
      EXPECT_EQ(got.boxes[i], want) << name << " row " << i;
    }
  }
}

TEST(ParseLabels, NamesTheLineAndTheFault) {
  const LabelRules rules{.num_classes = 2};
  EXPECT_EQ(parse_labels("0 .5 .5 .1 .1\n\n0 .5 .5 .1 x\n", rules).problem, "line 3: 'x' is not a number");
  EXPECT_NE(parse_labels("2 .5 .5 .1 .1", rules).problem.find("class 2 of a data set with 2 classes"),
            std::string::npos);
  EXPECT_NE(parse_labels("0 .5 .5 .1", rules).problem.find("4 fields"), std::string::npos);
  EXPECT_EQ(parse_labels("1e30 .5 .5 .1 .1", {.num_classes = 1, .single_cls = true}).state, LabelState::kCorrupt);
}

TEST(ParseLabels, SortsPolygonsWithTheirBoxesOnlyWhenRowsWereRemoved) {
  const LabelRules rules{.num_classes = 3};
  const std::string a = "1 .1 .1 .4 .1 .4 .4\n", b = "0 .2 .2 .6 .2 .6 .6\n";
  EXPECT_EQ(parse_labels(a + b, rules).boxes[0].cls, 1);
  const ParsedLabels sorted = parse_labels(a + b + a, rules);
  ASSERT_EQ(sorted.boxes.size(), 2u);
  EXPECT_EQ(sorted.duplicates, 1);
  EXPECT_EQ(sorted.boxes[0].cls, 0);
  EXPECT_EQ(sorted.polygons[0], (Polygon{.2f, .2f, .6f, .2f, .6f, .6f}));
}

TEST(ReadLabels, AFileThatCannotBeReadIsCorrupt) {
  const test::Folder folder;
  const auto file = folder.write("big.txt", "");
  std::filesystem::resize_file(file, (std::size_t{64} << 20) + 1);
  EXPECT_EQ(read_labels(file, {.num_classes = 1}).state, LabelState::kCorrupt);
}

TEST(ParseNumber, AcceptsAndRefuses) {
  EXPECT_EQ(parse_number("+1_0.2_5e1"), 102.5);
  EXPECT_EQ(parse_number("-.5"), -0.5);
  EXPECT_EQ(parse_number("5."), 5.0);
  EXPECT_EQ(parse_number("1e999"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(parse_number("1e-999"), 0.0);
  for (const char* bad : {"", "+", "-", "+-1", "--1", "_1", "1_", "1__0", "1_.0", "0x10", "1,5", "1e", "nan(1)", "1 "})
    EXPECT_FALSE(parse_number(bad)) << bad;
}

}  // namespace
}  // namespace boxcar
