#include "boxcar/kernels/common/emulation/shared_memory.h"

#include <cstdint>
#include <cstring>

#include "boxcar/kernels/common/emulation/sanitizer.h"
#include "boxcar/kernels/common/emulation/scheduler.h"
#include "boxcar/runtime/device/race_clocks.h"

namespace boxcar::emulation {
namespace {

constexpr std::size_t kRedZone = 64;
constexpr std::size_t kArenaBytes = SharedMemory::kMostBytes + (32 << 10);  // room for the red zones

}  // namespace

SharedMemory::SharedMemory() : arena_(new std::byte[kArenaBytes]) { forbid(arena_.get(), kArenaBytes); }
SharedMemory::~SharedMemory() { permit(arena_.get(), kArenaBytes); }

void SharedMemory::start_block(std::size_t dynamic_bytes, unsigned char poison, bool renew) {
  if (renew && used_ > 0) renew_arena();
  forbid(arena_.get(), used_);
  used_ = static_bytes_ = 0;
  arrays_.clear();
  poison_ = poison;
  dynamic_bytes_ = dynamic_bytes;
  const Unchecked poisoning;
  dynamic_ = dynamic_bytes ? carve(dynamic_bytes, 16) : nullptr;
}

// Freed and allocated again: ThreadSanitizer forgets what another block did there.
void SharedMemory::renew_arena() {
  const Unchecked renewal;
  arena_.reset();
  arena_.reset(new std::byte[kArenaBytes]);
}

void* SharedMemory::array(const void* key, std::size_t bytes, std::size_t alignment) {
  for (const Array& array : arrays_) {
    if (array.key == key) return array.data;
  }
  static_bytes_ += bytes;
  if (static_bytes_ > kMostStaticBytes) report("BOXCAR_SHARED arrays take more than 48 KB");
  if (static_bytes_ + dynamic_bytes_ > kMostBytes) report("more than 227 KB of shared memory are used");
  const Unchecked poisoning;
  arrays_.push_back({key, carve(bytes, alignment)});
  return arrays_.back().data;
}

void* SharedMemory::carve(std::size_t bytes, std::size_t alignment) {
  const auto base = reinterpret_cast<std::uintptr_t>(arena_.get());
  const std::uintptr_t start = (base + used_ + kRedZone + alignment - 1) / alignment * alignment;
  used_ = start - base + bytes + kRedZone;
  if (used_ > kArenaBytes) report("the emulation has no room for so many shared arrays");
  auto* data = reinterpret_cast<void*>(start);
  permit(data, bytes);
  return std::memset(data, poison_, bytes);
}

}  // namespace boxcar::emulation
