// NVML is dlopened: a library of the tests' own takes its place (fake_nvml.cpp).
#include "boxcar/runtime/device/gpu_monitor.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace boxcar {
namespace {

constexpr const char* kBusId = "0000:00:00.0";

TEST(GpuMonitor, ReadsWhatTheLibraryTells) {
  const auto monitor = GpuMonitor::open(kBusId, FAKE_NVML);
  ASSERT_NE(monitor, nullptr);
  const GpuReading reading = monitor->read();
  EXPECT_EQ(reading.busy_percent, 87);
  EXPECT_EQ(reading.used_mib, 14300u);
  EXPECT_EQ(reading.total_mib, 81559u);
  EXPECT_NEAR(reading.watts.value_or(0), 310.4, 1e-6);
  EXPECT_EQ(reading.celsius, 62);
  EXPECT_EQ(reading.text(), "87% busy, 14300 of 81559 MiB in use, 310 W, 62 C");
  EXPECT_EQ(monitor->driver_version(), "580.65.06");
}

TEST(GpuMonitor, LeavesOutWhatFails) {
  setenv("FAKE_NVML_FAILS", "power,driver", 1);
  const auto monitor = GpuMonitor::open(kBusId, FAKE_NVML);
  ASSERT_NE(monitor, nullptr);
  EXPECT_EQ(monitor->read().text(), "87% busy, 14300 of 81559 MiB in use, 62 C");
  EXPECT_EQ(monitor->driver_version(), "");
  setenv("FAKE_NVML_FAILS", "power,utilization,memory,temperature", 1);
  EXPECT_EQ(monitor->read().text(), "");
  unsetenv("FAKE_NVML_FAILS");
}

TEST(GpuMonitor, IsNotThereWithoutLibraryOrCard) {
  EXPECT_EQ(GpuMonitor::open(kBusId, "no_such_library.so"), nullptr);
  EXPECT_EQ(GpuMonitor::open(kBusId, "libm.so.6"), nullptr);  // none of the functions
  EXPECT_EQ(GpuMonitor::open("0000:ff:00.0", FAKE_NVML), nullptr);
  setenv("FAKE_NVML_FAILS", "init", 1);
  EXPECT_EQ(GpuMonitor::open(kBusId, FAKE_NVML), nullptr);
  unsetenv("FAKE_NVML_FAILS");
}

}  // namespace
}  // namespace boxcar
