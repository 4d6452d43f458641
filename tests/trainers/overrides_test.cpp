#include "boxcar/trainers/args/overrides.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/base/error.h"
#include "trainers/expect_error.h"

namespace boxcar {
namespace {

TEST(Overrides, KeepWhatWasSetInOrder) {
  Overrides o{{"data", "bccd.yaml"}, {"epochs", 3}};
  o.set("data", "other.yaml");
  ASSERT_EQ(o.items().size(), 2u);
  EXPECT_EQ(o.items()[0].first, "data");
  EXPECT_EQ(*o.find("data"), Setting("other.yaml"));
  EXPECT_EQ(o.find("batch"), nullptr);
  EXPECT_FALSE(o.erase("data").contains("data"));
}

TEST(Overrides, NameTheNearestOfAnUnknownKey) {
  Overrides o;
  EXPECT_ERROR(ArgumentError, o.set("epoch", 3), "unknown argument 'epoch', did you mean epochs=100?");
  EXPECT_ERROR(ArgumentError, o.set("foo", 3), "unknown argument 'foo'");
  EXPECT_ERROR(ArgumentError, o.set("optimiser", 3),
               "unknown argument 'optimiser', did you mean optimizer=auto, optimize=False or time=None?");
  EXPECT_ERROR(ArgumentError, (Overrides{{"trian", true}}), "unknown argument 'trian', did you mean train or track?");
  EXPECT_THROW(o.set("", 1), ArgumentError);
  EXPECT_THROW(o.set(std::string(1 << 20, 'e'), 1), ArgumentError);
}

TEST(Overrides, ReadALineOfWords) {
  const auto o = Overrides::parse("data='my data.yaml' epochs = 3 rect imgsz=[320, 640] name=001 project=none");
  EXPECT_EQ(*o.find("data"), Setting("my data.yaml"));
  EXPECT_EQ(*o.find("epochs"), Setting(3));
  EXPECT_EQ(*o.find("rect"), Setting(true));
  EXPECT_EQ(*o.find("imgsz"), Setting(Setting::List{320, 640}));
  EXPECT_EQ(*o.find("name"), Setting("001"));
  EXPECT_TRUE(o.find("project")->is_null());
  EXPECT_ERROR(ArgumentError, Overrides::parse("data='x"), "a quote is never closed in 'data=\\x27x'");
  EXPECT_ERROR(ArgumentError, Overrides::parse("epochs="), "argument 'epochs' has no value: write key=value");
  EXPECT_TRUE(Overrides::parse("  ").empty());
}

TEST(Overrides, TranslateOldSpellings) {
  Overrides o{{"boxes", false}, {"hide_labels", true}, {"hide_conf", false}, {"line_thickness", 2}, {"end2end", true}};
  EXPECT_EQ(*o.find("show_boxes"), Setting(false));
  EXPECT_EQ(*o.find("show_labels"), Setting(false));
  EXPECT_EQ(*o.find("show_conf"), Setting(true));
  EXPECT_EQ(*o.find("line_width"), Setting(2));
  EXPECT_EQ(*o.find("nms"), Setting(false));
  EXPECT_EQ(o.warnings().size(), 5u);
  EXPECT_TRUE(o.set("end2end", false).find("nms")->is_null());
}

TEST(Overrides, DropWhatIsGoneWithAWarning) {
  const Overrides o{{"label_smoothing", 0.1}, {"save_hybrid", true}, {"crop_fraction", 1.0}, {"keras", false}};
  EXPECT_TRUE(o.empty());
  EXPECT_EQ(o.warnings().size(), 4u);
}

TEST(Overrides, LetQuantizeBeatInt8BeatHalfInAnyOrder) {
  EXPECT_EQ(*Overrides({{"half", true}}).find("quantize"), Setting(16));
  EXPECT_EQ(*Overrides({{"half", true}, {"int8", true}}).find("quantize"), Setting(8));
  EXPECT_EQ(*Overrides({{"int8", true}, {"half", true}}).find("quantize"), Setting(8));
  EXPECT_EQ(*Overrides({{"quantize", 32}, {"int8", true}}).find("quantize"), Setting(32));
  EXPECT_EQ(*Overrides({{"int8", true}, {"quantize", 32}}).find("quantize"), Setting(32));
  EXPECT_TRUE(Overrides({{"half", false}}).empty());
  EXPECT_THROW(Overrides({{"half", 1}}), ArgumentError);
}

TEST(Overrides, MergeTakesTheStronger) {
  Overrides weak{{"epochs", 1}, {"batch", 2}};
  weak.merge(Overrides{{"epochs", 5}, {"boxes", true}});
  EXPECT_EQ(*weak.find("epochs"), Setting(5));
  EXPECT_EQ(*weak.find("batch"), Setting(2));
  EXPECT_EQ(weak.warnings().size(), 1u);
}

}  // namespace
}  // namespace boxcar
