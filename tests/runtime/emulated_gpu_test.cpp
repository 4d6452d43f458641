// What emulated cards offer to tests: pretended memory, and ranges that somebody hears.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "boxcar/runtime/device/cuda_queries.h"
#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/profile/emulated_ranges.h"
#include "boxcar/runtime/profile/profiler.h"
#include "support/folder.h"

namespace boxcar {
namespace {

TEST(TraceRanges, AreStagesAndMeasuredOps) {
  std::string heard;
  emulation::set_range_sink([&](const char* name) { heard += name ? std::string(name) + "(" : ")"; });
  const auto two_scopes = [](Profiler* profiler) {
    const ProfileScope stage(profiler, ScopeKind::kStage, "model");
    const ProfileScope op(profiler, ScopeKind::kOp, "conv");
  };
  two_scopes(nullptr);
  Profiler profiler;
  two_scopes(&profiler);
  emulation::set_range_sink(nullptr);
  two_scopes(&profiler);
  EXPECT_EQ(heard, "model()model(conv())");
}

TEST(EmulatedCards, HaveDifferentNames) {
  EXPECT_NE(cuda_pci_bus_id(Device::cuda(0)), cuda_pci_bus_id(Device::cuda(1)));
  const DeviceMemory memory = device_memory(Device::cuda());
  EXPECT_GT(memory.free, 0u);
  EXPECT_LE(memory.free, memory.total);
}

}  // namespace
}  // namespace boxcar
