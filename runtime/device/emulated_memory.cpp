#include "boxcar/runtime/device/emulated_memory.h"

#include <cstdlib>

namespace boxcar::emulation {

// Never destroyed: memory may live until the process ends.
CardMemory& CardMemory::instance() {
  static CardMemory& memory = *new CardMemory;
  return memory;
}

CardMemory::CardMemory() {
  if (const char* mib = std::getenv("BOXCAR_EMULATED_MEMORY")) limit_ = std::strtoull(mib, nullptr, 10) << 20;
}

void* CardMemory::allocate(int device, std::size_t bytes, std::size_t alignment) {
  const std::lock_guard lock(mutex_);
  std::size_t& used = used_[static_cast<std::size_t>(device)];
  if (limit_ > 0 && (bytes > limit_ || used > limit_ - bytes)) return nullptr;
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
  if (limit_ == 0) return device_memory(Device::cpu());
  const std::lock_guard lock(mutex_);
  return {limit_ - used_[static_cast<std::size_t>(device)], limit_};
}

}  // namespace boxcar::emulation
