#include "boxcar/runtime/files/pickle_value.h"

#include <gtest/gtest.h>

#include "support/files.h"

namespace boxcar {
namespace {

using Kind = PickleValue::Kind;
using test::message_of;

TEST(PickleValue, HoldsPlainValues) {
  EXPECT_EQ(PickleValue().kind(), Kind::kNull);
  EXPECT_EQ(PickleValue(true).boolean(), true);
  EXPECT_EQ(PickleValue(true).integer(), std::nullopt);
  EXPECT_EQ(PickleValue(-7).integer(), -7);
  EXPECT_EQ(PickleValue(std::size_t{7}).number(), 7.0);
  EXPECT_EQ(PickleValue(0.5).number(), 0.5);
  EXPECT_EQ(PickleValue(0.5).integer(), std::nullopt);
  EXPECT_EQ(*PickleValue("text").text(), "text");
  EXPECT_EQ(PickleValue("text").byte_string(), nullptr);
  EXPECT_EQ(*PickleValue::bytes("b").byte_string(), "b");
  EXPECT_EQ(PickleValue::list().kind_name(), "a list");
  EXPECT_EQ(PickleValue::cycle().kind_name(), "a cycle");
  message_of<ArgumentError>([] { (void)PickleValue(~std::uint64_t{0}); });
}

TEST(PickleValue, OtherKindsGiveNothing) {
  for (const PickleValue& value : {PickleValue(), PickleValue(1), PickleValue("x"), PickleValue::cycle()}) {
    EXPECT_TRUE(value.items().empty() && value.entries().empty() && value.class_name().empty());
    EXPECT_TRUE(value.find("x").is_null() && value.find(1).is_null() && value.attribute("x").is_null());
    EXPECT_TRUE(!value.tensor() && !value.stored_tensor() && value.arguments().is_null() && value.state().is_null());
  }
}

TEST(PickleValue, DictsKeepOrderAndTheLastOfEqualKeysCounts) {
  PickleValue dict = PickleValue::dict({{"b", 1}, {2, "two"}, {"a", 3}});
  dict.append_entry("b", 4);
  EXPECT_EQ(dict.find("b").integer(), 4);
  EXPECT_EQ(*dict.find(2).text(), "two");
  dict.set("a", 5);
  dict.set("new", nullptr);
  EXPECT_EQ(dict.entries().size(), 5u);
  EXPECT_EQ(dict.entries()[2].second.integer(), 5);
  EXPECT_TRUE(dict.contains("new") && !dict.contains("none"));
}

TEST(PickleValue, CopiesShareTheirContainer) {
  PickleValue list = PickleValue::list(), same = list;
  list.push_back(1);
  EXPECT_EQ(same.items().size(), 1u);
  EXPECT_EQ(same.identity(), list.identity());
  message_of<ArgumentError>([] { PickleValue::tuple().push_back(1); });
  message_of<ArgumentError>([] { PickleValue::list().set("a", 1); });
  message_of<ArgumentError>([] { PickleValue(1).set_state(1); });
}

TEST(PickleValue, AttributesOfPlainAndSlottedObjects) {
  PickleValue plain = PickleValue::record("m.C", PickleValue::tuple());
  plain.set_state(PickleValue::dict({{"x", 1}}));
  PickleValue slotted = PickleValue::record("m.C", PickleValue::tuple());
  slotted.set_state(PickleValue::tuple({nullptr, PickleValue::dict({{"y", 2}})}));
  EXPECT_EQ(plain.attribute("x").integer(), 1);
  EXPECT_EQ(slotted.attribute("y").integer(), 2);
  EXPECT_EQ(plain.class_name(), "m.C");
}

TEST(PickleValue, FreesDeepTreesWithoutRecursion) {
  PickleValue list = PickleValue::list(), dict = PickleValue::dict(), record;
  for (int i = 0; i < 300'000; ++i) {
    list = PickleValue::list({std::move(list)});
    dict = PickleValue::dict({{"k", std::move(dict)}});
    PickleValue outer = PickleValue::record("m.C", PickleValue());
    outer.set_state(std::move(record));
    record = std::move(outer);
  }
  const PickleValue shared = list.items()[0];
  list = nullptr;
  EXPECT_EQ(shared.items().size(), 1u);
}

}  // namespace
}  // namespace boxcar
