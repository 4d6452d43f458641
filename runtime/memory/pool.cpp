#include "boxcar/runtime/memory/pool.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/device_memory.h"
#include "boxcar/runtime/memory/segments.h"

namespace boxcar {
namespace {

constexpr std::size_t kAlignment = 256;
constexpr std::size_t kGranule = std::size_t{2} << 20;  // of segments; a page of a GPU's memory

std::size_t rounded(std::size_t bytes, std::size_t to) { return (std::max<std::size_t>(bytes, 1) + to - 1) / to * to; }

bool keeps_blocks() {
#if defined(__SANITIZE_ADDRESS__)
  return false;
#else
  static const bool keeps = [] {
    const char* const pool = std::getenv("BOXCAR_POOL");
    return !pool || std::string_view(pool) != "off";
  }();
  return keeps;
#endif
}

std::size_t block_size(std::size_t bytes) {
  return keeps_blocks() ? rounded(bytes, kAlignment) : std::max<std::size_t>(bytes, 1);
}

/// Memory of the system that somebody may still use.
struct Held {
  explicit Held(Device d) : device(d) {}
  ~Held() {
    for (std::byte* block : blocks) device_free(device, block);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  Device device;
  std::vector<std::byte*> blocks;
};

// Of a GPU, which other programs may use as well.
std::string free_text(Device device) {
  if (!device.is_cuda()) return "";
  try {
    const DeviceMemory memory = device_memory(device);
    return fmt::format(", {} of the card's {} MiB free", memory.free >> 20, memory.total >> 20);
  } catch (const DeviceError&) {
    return "";
  }
}

// Memory that is only backed where it is touched, more than the machine has if need be.
void* reserve_addresses(std::size_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return data == MAP_FAILED ? nullptr : data;
}

}  // namespace

struct MemoryPool::State {
  State(Device d, bool no_memory) : device(d), address_space_only(no_memory) {}
  Device device;
  bool address_space_only;
  mutable std::mutex mutex;
  MemoryStats stats;
  Segments small, large;
  std::shared_ptr<Held> held;  // while memory is held

  // Sizes of small blocks may differ from step to step (the number of objects). They lie apart, so that those of large
  // blocks, which the shape settles, find the same places in every step.
  Segments& segments_for(std::size_t bytes) {
    constexpr std::size_t kSmall = std::size_t{1} << 20;
    return bytes <= kSmall ? small : large;
  }

  void* take(std::size_t bytes) {
    if (!keeps_blocks()) return from_system(bytes);
    Segments& segments = segments_for(bytes);
    if (void* data = segments.take(bytes)) return data;
    return grow(segments, bytes) ? segments.take(bytes) : nullptr;
  }

  void give_back(void* data, std::size_t bytes) {
    if (keeps_blocks()) return segments_for(bytes).give_back(data, bytes);
    to_system({static_cast<std::byte*>(data), bytes});
  }

  /// Adds a segment that holds `bytes`. A quarter more than there was keeps the segments few, in which blocks can lie
  /// side by side; where the system has not as much, what is needed.
  bool grow(Segments& segments, std::size_t bytes) {
    std::size_t size = rounded(std::max(bytes, segments.bytes() / 4), kGranule);
    void* data = from_system(size);
    if (!data) {
      release_unused();
      size = rounded(bytes, kGranule);
      data = from_system(size);
    }
    if (data) segments.add({static_cast<std::byte*>(data), size});
    return data != nullptr;
  }

  void release_unused() {
    for (Segments* segments : {&small, &large}) {
      for (const Segments::Range& segment : segments->remove_free()) to_system(segment);
    }
  }

  void* from_system(std::size_t bytes) {
    void* data = address_space_only ? reserve_addresses(bytes) : device_allocate(device, bytes, kAlignment);
    if (!data) return nullptr;
    ++stats.system_allocations;
    stats.reserved_bytes += bytes;
    return data;
  }

  void to_system(const Segments::Range& range) {
    stats.reserved_bytes -= range.bytes;
    if (address_space_only) {
      munmap(range.begin, range.bytes);
    } else if (held) {
      held->blocks.push_back(range.begin);
    } else {
      device_free(device, range.begin);
    }
  }
};

MemoryPool::MemoryPool(Device device, bool address_space_only)
    : state_(std::make_unique<State>(device, address_space_only)) {}
MemoryPool::~MemoryPool() { release_unused(); }

Device MemoryPool::device() const { return state_->device; }

std::shared_ptr<void> MemoryPool::allocate(const std::shared_ptr<MemoryPool>& pool, std::size_t bytes) {
  return {pool->take(bytes), [pool, bytes](void* data) { pool->give_back(data, bytes); }};
}

void* MemoryPool::take(std::size_t bytes) {
  const std::size_t block = block_size(bytes);
  std::lock_guard lock(state_->mutex);
  MemoryStats& stats = state_->stats;
  void* data = state_->take(block);
  if (!data) {
    fail<OutOfMemory>("out of memory on {}: {} MiB wanted, {} MiB in use{}; use a smaller batch or imgsz",
                      state_->device.name(), bytes >> 20, stats.live_bytes >> 20, free_text(state_->device));
  }
  stats.live_bytes += block;
  stats.high_water_bytes = std::max(stats.high_water_bytes, stats.live_bytes);
  return data;
}

void MemoryPool::give_back(void* data, std::size_t bytes) noexcept {
  const std::size_t block = block_size(bytes);
  std::lock_guard lock(state_->mutex);
  state_->stats.live_bytes -= block;
  state_->give_back(data, block);
}

void* MemoryPool::do_allocate(std::size_t bytes, std::size_t alignment) {
  if (alignment > kAlignment) fail<ArgumentError>("a memory pool aligns to {} bytes, not to {}", kAlignment, alignment);
  return take(bytes);
}

void MemoryPool::do_deallocate(void* data, std::size_t bytes, std::size_t) { give_back(data, bytes); }

MemoryStats MemoryPool::stats() const {
  std::lock_guard lock(state_->mutex);
  return state_->stats;
}

void MemoryPool::reset_high_water() {
  std::lock_guard lock(state_->mutex);
  state_->stats.high_water_bytes = state_->stats.live_bytes;
}

void MemoryPool::hold() {
  std::lock_guard lock(state_->mutex);
  state_->held = std::make_shared<Held>(state_->device);
}

std::shared_ptr<void> MemoryPool::release_hold() {
  std::lock_guard lock(state_->mutex);
  return std::exchange(state_->held, nullptr);
}

void MemoryPool::release_unused() {
  std::lock_guard lock(state_->mutex);
  state_->release_unused();
}

}  // namespace boxcar
