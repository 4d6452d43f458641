#include "boxcar/trainers/args/setting.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

using List = Setting::List;

TEST(ParseSetting, ReadsTheWordsInAnyCase) {
  EXPECT_TRUE(parse_setting("none").is_null());
  EXPECT_TRUE(parse_setting(" NONE ").is_null());
  EXPECT_EQ(parse_setting("tRue"), Setting(true));
  EXPECT_EQ(parse_setting("False"), Setting(false));
  EXPECT_EQ(parse_setting("null"), Setting("null"));
}

TEST(ParseSetting, ReadsNumbers) {
  EXPECT_EQ(parse_setting("3"), Setting(3));
  EXPECT_EQ(parse_setting("-3"), Setting(-3));
  EXPECT_EQ(parse_setting("+3"), Setting(3));
  EXPECT_EQ(parse_setting("1e-3"), Setting(1e-3));
  EXPECT_EQ(parse_setting(".5"), Setting(0.5));
  EXPECT_EQ(parse_setting("-.5"), Setting(-0.5));
  EXPECT_EQ(parse_setting("5."), Setting(5.0));
  EXPECT_EQ(parse_setting("0x10"), Setting(16));
  EXPECT_EQ(parse_setting("-0b11"), Setting(-3));
  EXPECT_EQ(parse_setting("1_000"), Setting(1000));
  EXPECT_EQ(parse_setting("000"), Setting(0));
  EXPECT_EQ(parse_setting("1e400"), Setting(std::numeric_limits<double>::infinity()));
  EXPECT_EQ(parse_setting("99999999999999999999"), Setting(1e20));
}

TEST(ParseSetting, LeavesEverythingElseAsText) {
  for (const char* text :
       {"007", "cuda:0", "a/b.yaml", "1__0", "_1", "1_", "--3", "-", "+",      ".",   "e5", "1e",     "0x",  "0x-1",
        "nan", "inf",    "[a]",      "[1,2", "1]", "(",  ")",   ",", "[1,,2]", "1 2", "'x", "{1: 2}", "1+2j"})
    EXPECT_EQ(parse_setting(text), Setting(text)) << text;
}

TEST(ParseSetting, ReadsListsTuplesAndQuotedText) {
  EXPECT_EQ(parse_setting("[1,2]"), Setting(List{1, 2}));
  EXPECT_EQ(parse_setting("(1, 2.5)"), Setting(List{1, 2.5}));
  EXPECT_EQ(parse_setting("640,480"), Setting(List{640, 480}));
  EXPECT_EQ(parse_setting("0,"), Setting(List{0}));
  EXPECT_EQ(parse_setting("(3)"), Setting(3));
  EXPECT_EQ(parse_setting("(3,)"), Setting(List{3}));
  EXPECT_EQ(parse_setting("[]"), Setting(List{}));
  EXPECT_EQ(parse_setting("[[1],'a',True,None]"), Setting(List{List{1}, "a", true, nullptr}));
  EXPECT_EQ(parse_setting("'x y'"), Setting("x y"));
  EXPECT_EQ(parse_setting("\"it's\""), Setting("it's"));
  EXPECT_EQ(parse_setting(R"('a\'b\\')"), Setting("a'b\\"));
  EXPECT_EQ(parse_setting("''"), Setting(""));
  EXPECT_EQ(parse_setting(R"('a\)"), Setting(R"('a\)"));
}

TEST(ParseSetting, EndsOnDeepNesting) {
  const std::string deep(100000, '[');
  EXPECT_EQ(parse_setting(deep), Setting(deep));
}

TEST(Setting, ComesFromWhatACallerHas) {
  EXPECT_TRUE(Setting(true).is_bool());
  EXPECT_TRUE(Setting(std::uint8_t{3}).is_integer());
  EXPECT_TRUE(Setting(3.f).is_number());
  EXPECT_TRUE(Setting("x").is_text());
  EXPECT_TRUE(Setting(nullptr).is_null());
  EXPECT_THROW(Setting(std::numeric_limits<std::uint64_t>::max()), ArgumentError);
}

TEST(Setting, WholeTakesWholeNumbersOnly) {
  EXPECT_EQ(Setting(1e2).whole(), 100);
  EXPECT_FALSE(Setting(1.5).whole());
  EXPECT_FALSE(Setting(1e300).whole());
  EXPECT_FALSE(Setting(std::nan("")).whole());
  EXPECT_FALSE(Setting(true).whole());
  EXPECT_FALSE(Setting("3").whole());
}

TEST(Setting, IsWrittenAsYamlThatReadsBack) {
  EXPECT_EQ(Setting(1.0).to_yaml(), "1.0");
  EXPECT_EQ(Setting(1e-5).to_yaml(), "1.0e-05");
  EXPECT_EQ(Setting(nullptr).to_yaml(), "null");
  EXPECT_EQ(Setting("plain/text.yaml").to_yaml(), "plain/text.yaml");
  EXPECT_EQ(Setting("null").to_yaml(), "'null'");
  EXPECT_EQ(Setting("1").to_yaml(), "'1'");
  EXPECT_EQ(Setting("it's: so").to_yaml(), "'it''s: so'");
  EXPECT_EQ(Setting("").to_yaml(), "''");
  EXPECT_EQ(Setting("2024-01-01").to_yaml(), "'2024-01-01'");
  EXPECT_EQ(Setting("a\nb").to_yaml(), "\"a\\x0ab\"");
  EXPECT_EQ(Setting(List{1, "a,b"}).to_yaml(), "[1, 'a,b']");
}

TEST(Setting, IsShownAsTheReferencePrintsIt) {
  EXPECT_EQ(Setting().to_text(), "None");
  EXPECT_EQ(Setting(false).to_text(), "False");
  EXPECT_EQ(Setting(0.0005).to_text(), "0.0005");
  EXPECT_EQ(Setting(List{1, "a"}).to_text(), "[1, 'a']");
}

}  // namespace
}  // namespace boxcar
