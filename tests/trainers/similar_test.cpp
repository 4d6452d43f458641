#include "boxcar/trainers/args/similar.h"

#include <gtest/gtest.h>

namespace boxcar {
namespace {

TEST(Similarity, IsTwiceTheCommonRunsOverTheLengths) {
  EXPECT_DOUBLE_EQ(similarity("epochs", "epoch"), 10.0 / 11.0);
  // "ep", then "h" to the right of it.
  EXPECT_DOUBLE_EQ(similarity("depth", "epoch"), 0.6);
  EXPECT_DOUBLE_EQ(similarity("abc", "xyz"), 0);
  EXPECT_DOUBLE_EQ(similarity("", ""), 1);
  EXPECT_DOUBLE_EQ(similarity("a", ""), 0);
}

TEST(Similarity, EndsQuicklyOnLongWords) { EXPECT_EQ(similarity(std::string(1 << 20, 'a'), "aaaa"), 0); }

TEST(NearestWords, AreAtMostThreeBestFirst) {
  const std::vector<std::string> words{"save", "save_dir", "save_txt", "time", "model"};
  EXPECT_EQ(nearest_words("save-dir", words), (std::vector<std::string>{"save_dir", "save"}));
  EXPECT_EQ(nearest_words("save", {"save1", "save2", "save3", "save4"}).size(), 3u);
  EXPECT_TRUE(nearest_words("qqq", words).empty());
}

TEST(DidYouMean, JoinsWords) {
  EXPECT_EQ(did_you_mean({}), "");
  EXPECT_EQ(did_you_mean({"a"}), ", did you mean a?");
  EXPECT_EQ(did_you_mean({"a", "b", "c"}), ", did you mean a, b or c?");
}

}  // namespace
}  // namespace boxcar
