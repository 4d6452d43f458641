// AddressSanitizer's interface; without it the calls do nothing.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace boxcar::emulation {

#if defined(__SANITIZE_ADDRESS__)
inline void forbid(const void* data, std::size_t bytes) { __asan_poison_memory_region(data, bytes); }
inline void permit(const void* data, std::size_t bytes) { __asan_unpoison_memory_region(data, bytes); }
inline void leave_stack(void** fake_stack, const void* to_bottom, std::size_t to_bytes) {
  __sanitizer_start_switch_fiber(fake_stack, to_bottom, to_bytes);
}
inline void enter_stack(void* fake_stack, const void** from_bottom, std::size_t* from_bytes) {
  __sanitizer_finish_switch_fiber(fake_stack, from_bottom, from_bytes);
}
#else
inline void forbid(const void*, std::size_t) {}
inline void permit(const void*, std::size_t) {}
inline void leave_stack(void**, const void*, std::size_t) {}
inline void enter_stack(void*, const void**, std::size_t*) {}
#endif

}  // namespace boxcar::emulation
