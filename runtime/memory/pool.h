// A device's memory: taken from the system in large segments, kept after use and handed out again, so that a training
// step takes nothing from the system once its sizes have been seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>

#include "boxcar/runtime/device/device.h"

namespace boxcar {

/// Figures of a pool, in bytes and calls.
struct MemoryStats {
  std::size_t live_bytes = 0;        // handed out at this moment
  std::size_t high_water_bytes = 0;  // the most that was ever live at once
  std::size_t reserved_bytes = 0;    // held from the system, live or kept
  std::uint64_t system_allocations = 0;
};

/// Thread-safe. Blocks start at a multiple of 256 bytes. As a memory_resource it serves temporary vectors of CPU ops
/// (Stream::scratch()). Under AddressSanitizer, and with BOXCAR_POOL=off, each block is an allocation of its own.
class MemoryPool final : public std::pmr::memory_resource {
 public:
  /// address_space_only: most of it is never touched (a dry run), so there may be more than the machine has.
  explicit MemoryPool(Device device, bool address_space_only = false);
  ~MemoryPool() override;
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  /// At least `bytes` bytes, contents undefined; freed when the last copy of the pointer goes.
  /// The blocks keep the pool alive. Throws OutOfMemory with the figures of the pool.
  static std::shared_ptr<void> allocate(const std::shared_ptr<MemoryPool>& pool, std::size_t bytes);

  MemoryStats stats() const;
  /// Starts a new high-water mark at what is live now.
  void reset_high_water();
  /// Gives segments that are not in use back to the system.
  void release_unused();
  /// For a recording of work that will be issued again (Stream::begin_capture): from hold() on, memory that is given
  /// back stays valid, until what release_hold() returns goes. Where the pool keeps its blocks that is so anyway, as
  /// long as release_unused() is not called.
  void hold();
  std::shared_ptr<void> release_hold();
  Device device() const;

 private:
  struct State;
  void* take(std::size_t bytes);
  void give_back(void* data, std::size_t bytes) noexcept;

  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* data, std::size_t bytes, std::size_t alignment) override;
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  std::unique_ptr<State> state_;
};

}  // namespace boxcar
