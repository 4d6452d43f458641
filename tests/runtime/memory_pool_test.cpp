#include "boxcar/runtime/memory/pool.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory_resource>
#include <vector>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/memory/segments.h"
#include "boxcar/runtime/tensor/tensor.h"
#include "support/backends.h"

namespace boxcar {
namespace {

constexpr std::size_t kMegabyte = std::size_t{1} << 20;

// Addresses only: Segments touch no memory.
std::byte* at(std::size_t address) { return reinterpret_cast<std::byte*>(address); }

TEST(Segments, CutFromTheSmallestRangeThatFits) {
  Segments segments;
  segments.add({at(1000), 100});
  segments.add({at(2000), 60});
  segments.add({at(3000), 60});
  EXPECT_EQ(segments.bytes(), 220u);
  EXPECT_EQ(segments.take(50), at(2000));  // the lower of two equals
  EXPECT_EQ(segments.take(10), at(2050));  // what was left of it
  EXPECT_EQ(segments.take(61), at(1000));
  EXPECT_EQ(segments.take(61), nullptr);
}

TEST(Segments, NeighboursGrowTogether) {
  Segments segments;
  segments.add({at(1000), 90});
  void* const a = segments.take(30);
  void* const b = segments.take(30);
  void* const c = segments.take(30);
  segments.give_back(a, 30);
  segments.give_back(c, 30);
  EXPECT_EQ(segments.take(60), nullptr);
  segments.give_back(b, 30);
  EXPECT_EQ(segments.take(90), a);
}

TEST(Segments, StayApartWhereTheSystemPutThemSideBySide) {
  Segments segments;
  segments.add({at(1000), 50});
  segments.add({at(1050), 50});
  void* const a = segments.take(50);
  void* const b = segments.take(50);
  segments.give_back(b, 50);
  segments.give_back(a, 50);
  EXPECT_EQ(segments.take(100), nullptr);
  EXPECT_EQ(segments.take(20), at(1000));
  const std::vector<Segments::Range> removed = segments.remove_free();
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0].begin, at(1050));
  EXPECT_EQ(segments.bytes(), 50u);
  EXPECT_EQ(segments.take(31), nullptr);
}

// Under AddressSanitizer nothing is kept.
bool keeps_blocks() {
  const auto pool = std::make_shared<MemoryPool>(Device::cpu());
  MemoryPool::allocate(pool, 1).reset();
  return pool->stats().reserved_bytes > 0;
}

TEST(MemoryPool, ServesAnyMixOfSizesThatFitsFromWhatItKept) {
  if (!keeps_blocks()) GTEST_SKIP() << "this build keeps no blocks";
  const auto pool = std::make_shared<MemoryPool>(Device::cpu());
  MemoryPool::allocate(pool, 24 * kMegabyte).reset();
  const auto a = MemoryPool::allocate(pool, 5 * kMegabyte), b = MemoryPool::allocate(pool, 19 * kMegabyte);
  EXPECT_EQ(pool->stats().system_allocations, 1u);
  EXPECT_EQ(pool->stats().live_bytes, 24 * kMegabyte);
  const auto c = MemoryPool::allocate(pool, 3 * kMegabyte);
  EXPECT_EQ(pool->stats().system_allocations, 2u);
}

// Also where a block of another size was, and on a GPU.
TEST(MemoryPool, AlignsTheSmallestBlocksToo) {
  for (const Device device : test::devices()) {
    const auto pool = std::make_shared<MemoryPool>(device);
    std::vector<std::shared_ptr<void>> blocks;
    for (const std::size_t bytes : {1, 0, 3, 255, 256, 257, 1000, 4, 70000, 1}) {
      blocks.push_back(MemoryPool::allocate(pool, bytes));
      if (bytes == 255) blocks.erase(blocks.begin(), blocks.begin() + 2);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks.back().get()) % 256, 0u) << bytes << " on " << device.name();
    }
  }
}

TEST(MemoryPool, GivesBackWhatIsNotInUse) {
  const auto pool = std::make_shared<MemoryPool>(Device::cpu());
  const auto used = MemoryPool::allocate(pool, 4 * kMegabyte);
  const std::size_t reserved = pool->stats().reserved_bytes;
  MemoryPool::allocate(pool, 8 * kMegabyte).reset();
  pool->release_unused();
  EXPECT_EQ(pool->stats().reserved_bytes, reserved);
}

TEST(MemoryPool, ServesVectors) {
  Stream stream;
  const std::size_t before = stream.pool()->stats().live_bytes;
  {
    std::pmr::vector<float> values(1000, 1.5f, stream.scratch());
    values.resize(3000, 2.5f);
    EXPECT_GE(stream.pool()->stats().live_bytes, before + 12000);
    EXPECT_EQ(values[999] + values[2999], 4.0f);
  }
  EXPECT_EQ(stream.pool()->stats().live_bytes, before);
  EXPECT_THROW((void)stream.scratch()->allocate(64, 4096), ArgumentError);
}

TEST(MemoryPool, SaysWhatIsInUseWhenThereIsNoMore) {
  if (!keeps_blocks()) GTEST_SKIP() << "AddressSanitizer ends a program that asks for so much";
  const auto pool = std::make_shared<MemoryPool>(Device::cpu());
  const auto used = MemoryPool::allocate(pool, 3 * kMegabyte);
  try {
    MemoryPool::allocate(pool, std::size_t{1} << 60);
    FAIL() << "an exabyte was handed out";
  } catch (const OutOfMemory& error) {
    EXPECT_NE(std::string(error.what()).find("3 MiB in use"), std::string::npos) << error.what();
  }
  EXPECT_EQ(pool->stats().live_bytes, 3 * kMegabyte);
}

TEST(MemoryPool, CountsWhatIsLive) {
  Stream stream;
  const auto before = stream.pool()->stats();
  {
    const Tensor t = Tensor::empty(stream, {1, 16, 16, 16});
    EXPECT_GE(stream.pool()->stats().live_bytes - before.live_bytes, 16u * 16 * 16 * 4);
  }
  EXPECT_EQ(stream.pool()->stats().live_bytes, before.live_bytes);
  EXPECT_GE(stream.pool()->stats().high_water_bytes, 16u * 16 * 16 * 4);
}

}  // namespace
}  // namespace boxcar
