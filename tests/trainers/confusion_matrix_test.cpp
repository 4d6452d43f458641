#include "boxcar/trainers/metrics/confusion_matrix.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

TEST(ConfusionMatrix, ClassDoesNotMatterForTheMatching) {
  ConfusionMatrix m(2);
  m.add(std::vector<Box>{{0, 0, 10, 10, 0.9f, 1}}, std::vector<TruthBox>{{0, 0, 10, 10, 0}});
  EXPECT_EQ(m.at(1, 0), 1);
}

TEST(ConfusionMatrix, LeftOversGoToTheBackground) {
  ConfusionMatrix m(1);
  m.add(std::vector<Box>{{0, 0, 10, 10, 0.9f, 0}, {0, 0, 10, 10, 0.25f, 0}},
        std::vector<TruthBox>{{50, 50, 60, 60, 0}});
  EXPECT_EQ(m.at(0, 1), 1);  // 0.25 is not above 0.25
  EXPECT_EQ(m.at(1, 0), 1);
  EXPECT_NEAR(m.normalized()[2], 1.0, 1e-8);
}

TEST(ConfusionMatrix, RefusesBadClasses) {
  ConfusionMatrix m(1);
  EXPECT_THROW(m.add(std::vector<Box>{{0, 0, 1, 1, 0.9f, 1}}, {}), DataError);
  EXPECT_THROW(m.add({}, std::vector<TruthBox>{{0, 0, 1, 1, -1}}), DataError);
  EXPECT_THROW(ConfusionMatrix(0), ArgumentError);
  EXPECT_THROW(ConfusionMatrix(1 << 30), ArgumentError);
}

}  // namespace
}  // namespace boxcar
