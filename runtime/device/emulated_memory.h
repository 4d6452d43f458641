// The memory of emulated cards (BOXCAR_CUDA=EMULATE).
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <unordered_map>

#include "boxcar/runtime/device/device_memory.h"

namespace boxcar::emulation {

constexpr int kDevices = 2;  // so that tests can tell devices apart

/// Counts what each card has handed out. With BOXCAR_EMULATED_MEMORY=MIB in the environment a card has that much and
/// refuses what is beyond; else it has what the machine has. One for the process. Thread-safe.
class CardMemory {
 public:
  static CardMemory& instance();

  /// Like posix_memalign; null where the card or the machine has no more.
  void* allocate(int device, std::size_t bytes, std::size_t alignment);
  /// The block counts as free from now on; whoever calls frees it.
  void forget(void* data);
  DeviceMemory of(int device) const;

 private:
  CardMemory() = default;
  struct Block {
    int device;
    std::size_t bytes;
  };

  mutable std::mutex mutex_;
  std::array<std::size_t, kDevices> used_{};
  std::unordered_map<void*, Block> blocks_;
};

}  // namespace boxcar::emulation
