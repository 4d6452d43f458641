#include "boxcar/trainers/args/device_choice.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/base/error.h"
#include "trainers/expect_error.h"

namespace boxcar {
namespace {

using Kind = DeviceChoice::Kind;

TEST(DeviceChoice, ReadsEveryForm) {
  EXPECT_EQ(parse_device_choice(nullptr), (DeviceChoice{Kind::automatic, {}}));
  EXPECT_EQ(parse_device_choice(""), (DeviceChoice{Kind::automatic, {}}));
  EXPECT_EQ(parse_device_choice("CPU"), (DeviceChoice{Kind::cpu, {}}));
  EXPECT_EQ(parse_device_choice(0), (DeviceChoice{Kind::cuda, {0}}));
  EXPECT_EQ(parse_device_choice("0"), (DeviceChoice{Kind::cuda, {0}}));
  EXPECT_EQ(parse_device_choice("0,1"), (DeviceChoice{Kind::cuda, {0, 1}}));
  EXPECT_EQ(parse_device_choice(Setting::List{2, 0}), (DeviceChoice{Kind::cuda, {2, 0}}));
  EXPECT_EQ(parse_device_choice("cuda"), (DeviceChoice{Kind::cuda, {0}}));
  EXPECT_EQ(parse_device_choice("cuda:3"), (DeviceChoice{Kind::cuda, {3}}));
  EXPECT_EQ(parse_device_choice("cuda:0,1"), (DeviceChoice{Kind::cuda, {0, 1}}));
  EXPECT_EQ(parse_device_choice(-1), (DeviceChoice{Kind::cuda, {-1}}));
}

TEST(DeviceChoice, RefusesEverythingElse) {
  for (const Setting& bad : {Setting("gpu"), Setting(1.5), Setting(true), Setting(-2), Setting(5000), Setting("cuda:"),
                             Setting("0,x"), Setting(Setting::List{}), Setting(Setting::List{"0"})})
    EXPECT_THROW(parse_device_choice(bad), ArgumentError) << bad.to_text();
  EXPECT_ERROR(ArgumentError, parse_device_choice("0,0"), "argument 'device' names GPU 0 twice in '0,0'");
}

TEST(DeviceChoice, ChoosesOneDevice) {
  EXPECT_EQ(chosen_device(nullptr), Device::cpu());
  EXPECT_EQ(chosen_device("cpu"), Device::cpu());
  EXPECT_EQ(chosen_device("cuda:3"), Device::cuda(3));
  EXPECT_ERROR(DeviceError, chosen_device("0,1"),
               "device=0,1 cannot be used: this version of boxcar works on one GPU; name one of them");
  EXPECT_ERROR(DeviceError, chosen_device(-1),
               "device=-1 cannot be used: boxcar does not look for an idle GPU; name one, as in device=0");
}

}  // namespace
}  // namespace boxcar
