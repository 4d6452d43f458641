#include "boxcar/runtime/device/emulated_memory.h"

#include <algorithm>
#include <cstdlib>

namespace boxcar::emulation {
namespace {

// Bytes of a card; 0: no limit. Asked each time, as a test may set it.
std::size_t limit() {
  const char* mib = std::getenv("BOXCAR_EMULATED_MEMORY");
  return mib ? std::strtoull(mib, nullptr, 10) << 20 : 0;
}

}  // namespace

// Never destroyed: memory may live until the process ends.
CardMemory& CardMemory::instance() {
  static CardMemory& memory = *new CardMemory;
  return memory;
}

void* CardMemory::allocate(int device, std::size_t bytes, std::size_t alignment) {
  const std::lock_guard lock(mutex_);
  std::size_t& used = used_[static_cast<std::size_t>(device)];
  if (const std::size_t most = limit(); most > 0 && (used > most || bytes > most - used)) return nullptr;
  void* data = nullptr;
  if (posix_memalign(&data, alignment, bytes) != 0) return nullptr;
  used += bytes;
  blocks_[data] = {device, bytes};
  return data;
}

void CardMemory::forget(void* data) {
  const std::lock_guard lock(mutex_);
  const auto block = blocks_.find(data);
  if (block == blocks_.end()) return;
  used_[static_cast<std::size_t>(block->second.device)] -= block->second.bytes;
  blocks_.erase(block);
}

DeviceMemory CardMemory::of(int device) const {
  const std::size_t most = limit();
  if (most == 0) return device_memory(Device::cpu());
  const std::lock_guard lock(mutex_);
  return {most - std::min(most, used_[static_cast<std::size_t>(device)]), most};
}

}  // namespace boxcar::emulation
