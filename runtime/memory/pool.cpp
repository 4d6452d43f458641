#include "boxcar/runtime/memory/pool.h"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <vector>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"

#if defined(__SANITIZE_ADDRESS__)
#define BOXCAR_POOL_KEEPS_BLOCKS 0
#else
#define BOXCAR_POOL_KEEPS_BLOCKS 1
#endif

namespace boxcar {
namespace {

constexpr std::size_t kAlignment = 256;

// Sizes are rounded up so that similar requests share blocks: to 1/8 of the
// power of two below them, which wastes at most 12.5 %.
std::size_t rounded(std::size_t bytes) {
  if (!BOXCAR_POOL_KEEPS_BLOCKS) return std::max<std::size_t>(bytes, 1);
  const std::size_t floor = std::bit_floor(std::max<std::size_t>(bytes, kAlignment));
  const std::size_t step = std::max<std::size_t>(floor / 8, kAlignment);
  return (std::max<std::size_t>(bytes, 1) + step - 1) / step * step;
}

}  // namespace

struct MemoryPool::State {
  explicit State(Device d) : device(d) {}
  Device device;
  mutable std::mutex mutex;
  MemoryStats stats;
  std::map<std::size_t, std::vector<void*>> kept;  // by block size; no empty lists

  /// The smallest kept block that fits without waste worth mentioning, and its size; null if there is none.
  void* take_kept(std::size_t& block_bytes) {
    constexpr std::size_t kMostWaste = 2;
    const auto found = kept.lower_bound(block_bytes);
    if (found == kept.end() || found->first > kMostWaste * block_bytes) return nullptr;
    void* data = found->second.back();
    found->second.pop_back();
    block_bytes = found->first;
    if (found->second.empty()) kept.erase(found);
    return data;
  }
};

MemoryPool::MemoryPool(Device device) : state_(std::make_unique<State>(device)) {}
MemoryPool::~MemoryPool() { release_unused(); }

Device MemoryPool::device() const { return state_->device; }

std::shared_ptr<void> MemoryPool::allocate(const std::shared_ptr<MemoryPool>& pool, std::size_t bytes) {
  std::size_t block_bytes = 0;
  void* data = pool->take(bytes, block_bytes);
  return {data, [pool, block_bytes](void* p) { pool->give_back(p, block_bytes); }};
}

void* MemoryPool::take(std::size_t bytes, std::size_t& block_bytes) {
  block_bytes = rounded(bytes);
  std::lock_guard lock(state_->mutex);
  MemoryStats& stats = state_->stats;
  void* data = state_->take_kept(block_bytes);
  if (!data) {
    data = device_allocate(state_->device, block_bytes, kAlignment);
    if (!data) {
      fail<OutOfMemory>("out of memory on {}: {} MiB wanted, {} MiB in use; use a smaller batch or imgsz",
                        state_->device.name(), bytes >> 20, stats.live_bytes >> 20);
    }
    ++stats.system_allocations;
    stats.reserved_bytes += block_bytes;
  }
  stats.live_bytes += block_bytes;
  stats.high_water_bytes = std::max(stats.high_water_bytes, stats.live_bytes);
  return data;
}

void MemoryPool::give_back(void* data, std::size_t block_bytes) {
  std::lock_guard lock(state_->mutex);
  state_->stats.live_bytes -= block_bytes;
  if (BOXCAR_POOL_KEEPS_BLOCKS) {
    state_->kept[block_bytes].push_back(data);
  } else {
    state_->stats.reserved_bytes -= block_bytes;
    device_free(state_->device, data);
  }
}

MemoryStats MemoryPool::stats() const {
  std::lock_guard lock(state_->mutex);
  return state_->stats;
}

void MemoryPool::reset_high_water() {
  std::lock_guard lock(state_->mutex);
  state_->stats.high_water_bytes = state_->stats.live_bytes;
}

void MemoryPool::release_unused() {
  std::lock_guard lock(state_->mutex);
  for (auto& [bytes, blocks] : state_->kept) {
    for (void* data : blocks) device_free(state_->device, data);
    state_->stats.reserved_bytes -= bytes * blocks.size();
  }
  state_->kept.clear();
}

}  // namespace boxcar
