// What emulated cards offer to tests: pretended memory, and ranges that somebody hears.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/cuda_queries.h"
#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/profile/emulated_ranges.h"
#include "boxcar/runtime/profile/profiler.h"

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

TEST(EmulatedCards, HaveNoMoreThanTheyAreTold) {
  constexpr std::size_t kMegabyte = std::size_t{1} << 20;
  const Device card = Device::cuda(1);
  setenv("BOXCAR_EMULATED_MEMORY", "16", 1);
  {
    const auto pool = std::make_shared<MemoryPool>(card);
    const auto block = MemoryPool::allocate(pool, 10 * kMegabyte);
    EXPECT_EQ(device_memory(card).total, 16 * kMegabyte);
    EXPECT_EQ(device_memory(card).free, 6 * kMegabyte);
    EXPECT_EQ(device_memory(Device::cuda(0)).free, 16 * kMegabyte);
    try {
      MemoryPool::allocate(pool, 7 * kMegabyte);
      FAIL() << "17 of 16 MiB";
    } catch (const OutOfMemory& error) {
      EXPECT_STREQ(error.what(),
                   "out of memory on cuda:1: 7 MiB wanted, 10 MiB in use, 6 of the card's 16 MiB free; use a smaller "
                   "batch or imgsz");
    }
    EXPECT_NO_THROW(MemoryPool::allocate(pool, 6 * kMegabyte));
  }
  EXPECT_EQ(device_memory(card).free, 16 * kMegabyte);
  unsetenv("BOXCAR_EMULATED_MEMORY");
}

TEST(EmulatedCards, HaveDifferentNames) {
  EXPECT_NE(cuda_pci_bus_id(Device::cuda(0)), cuda_pci_bus_id(Device::cuda(1)));
  const DeviceMemory memory = device_memory(Device::cuda());
  EXPECT_GT(memory.free, 0u);
  EXPECT_LE(memory.free, memory.total);
}

}  // namespace
}  // namespace boxcar
