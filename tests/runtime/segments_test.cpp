#include "boxcar/runtime/memory/segments.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/memory/pool.h"

namespace boxcar {
namespace {

struct Memory {
  std::byte bytes[200];
  Segments::Range range(std::size_t first, std::size_t count) { return {bytes + first, count}; }
};

TEST(Segments, CutTheSmallestRangeThatIsLargeEnough) {
  Memory memory;
  Segments segments;
  EXPECT_EQ(segments.take(1), nullptr);
  segments.add(memory.range(0, 100));
  segments.add(memory.range(120, 40));
  EXPECT_EQ(segments.bytes(), 140u);
  EXPECT_EQ(segments.take(30), memory.bytes + 120);
  EXPECT_EQ(segments.take(30), memory.bytes);
  EXPECT_EQ(segments.take(10), memory.bytes + 150);
  EXPECT_EQ(segments.take(71), nullptr);
  EXPECT_EQ(segments.take(70), memory.bytes + 30);
  EXPECT_EQ(segments.take(1), nullptr);
}

TEST(Segments, NeighboursGrowTogetherWithinTheirSegmentOnly) {
  Memory memory;
  Segments segments;
  segments.add(memory.range(0, 100));
  segments.add(memory.range(100, 100));  // touches the first
  void* parts[4];
  for (void*& part : parts) part = segments.take(50);
  ASSERT_EQ(parts[3], memory.bytes + 150);
  segments.give_back(parts[1], 50);
  segments.give_back(parts[2], 50);
  EXPECT_EQ(segments.take(51), nullptr);
  segments.give_back(parts[0], 50);
  EXPECT_EQ(segments.take(100), memory.bytes);
  segments.give_back(memory.bytes, 100);
  const std::vector<Segments::Range> removed = segments.remove_free();
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0].begin, memory.bytes);
  EXPECT_EQ(removed[0].bytes, 100u);
  EXPECT_EQ(segments.bytes(), 100u);
  EXPECT_EQ(segments.take(51), nullptr);
  EXPECT_EQ(segments.take(50), memory.bytes + 100);
}

// Under AddressSanitizer nothing is kept.
TEST(MemoryPool, OtherSizesFindRoomInWhatWasFreed) {
  const auto pool = std::make_shared<MemoryPool>(Device::cpu());
  MemoryPool::allocate(pool, 12 << 20).reset();
  if (pool->stats().reserved_bytes == 0) GTEST_SKIP() << "this build keeps no blocks";
  {
    const auto first = MemoryPool::allocate(pool, 5 << 20), second = MemoryPool::allocate(pool, 7 << 20);
    EXPECT_EQ(pool->stats().system_allocations, 1u);
    EXPECT_EQ(pool->stats().live_bytes, std::size_t{12} << 20);
    const auto small = MemoryPool::allocate(pool, 100);
    EXPECT_EQ(pool->stats().system_allocations, 2u);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(small.get()) % 256, 0u);
  }
  EXPECT_EQ(pool->stats().live_bytes, 0u);
  EXPECT_EQ(pool->stats().high_water_bytes, (std::size_t{12} << 20) + 256);
  pool->release_unused();
  EXPECT_EQ(pool->stats().reserved_bytes, 0u);
}

}  // namespace
}  // namespace boxcar
