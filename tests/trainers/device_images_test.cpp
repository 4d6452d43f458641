#include "boxcar/trainers/engine/device_images.h"

#include <gtest/gtest.h>

namespace boxcar {
namespace {

constexpr std::size_t kBytes = 48;

class DeviceImagesTest : public testing::Test {
 protected:
  Stream stream_;
  DeviceImages images_{stream_, kBytes, 2};
};

TEST_F(DeviceImagesTest, AnImageStaysWhereItIs) {
  images_.begin_batch();
  const auto first = images_.place_of(7, kBytes), second = images_.place_of(9, 1);
  EXPECT_TRUE(first.is_new && second.is_new);
  EXPECT_TRUE(second.pixels >= first.pixels + kBytes || second.pixels + kBytes <= first.pixels);
  images_.begin_batch();
  const auto again = images_.place_of(7, kBytes);
  EXPECT_FALSE(again.is_new);
  EXPECT_EQ(again.pixels, first.pixels);
}

TEST_F(DeviceImagesTest, TheOneUsedLongestAgoGivesWay) {
  images_.begin_batch();
  const auto seven = images_.place_of(7, kBytes);
  const auto nine = images_.place_of(9, kBytes);
  images_.begin_batch();
  images_.place_of(7, kBytes);
  images_.begin_batch();
  const auto eleven = images_.place_of(11, kBytes);
  EXPECT_TRUE(eleven.is_new);
  EXPECT_EQ(eleven.pixels, nine.pixels);
  EXPECT_EQ(images_.place_of(7, kBytes).pixels, seven.pixels);
  EXPECT_FALSE(images_.place_of(9, kBytes).pixels) << "both places are of this batch";
}

TEST_F(DeviceImagesTest, ThereIsNoPlaceForALargeImageAndNoneWithoutPlaces) {
  images_.begin_batch();
  EXPECT_FALSE(images_.place_of(1, kBytes + 1).pixels);
  DeviceImages none(stream_, kBytes, 0);
  none.begin_batch();
  EXPECT_FALSE(none.place_of(1, 1).pixels);
}

}  // namespace
}  // namespace boxcar
