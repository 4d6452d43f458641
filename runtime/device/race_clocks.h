// ThreadSanitizer's interface, for the emulation of CUDA: what happens before what (docs/emulation.md).
//
// Everything emulated runs on one CPU thread. Each stream and each thread of a block is told to ThreadSanitizer as a
// thread of its own with its own clock, and orders what it does only where CUDA does. Built without
// BOXCAR_DETECT_RACES, all of this does nothing.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#if BOXCAR_DETECT_RACES
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace boxcar::emulation {

#if BOXCAR_DETECT_RACES

inline constexpr bool kDetectRaces = true;

inline void* current_clock() { return __tsan_get_current_fiber(); }
/// What is done from here on counts as done by `clock`'s owner; orders nothing.
inline void switch_clock(void* clock) { __tsan_switch_to_fiber(clock, __tsan_switch_to_fiber_no_sync); }
/// What was done before release(place) happens before what is done after a later acquire(place).
inline void release(const void* place) { __tsan_release(const_cast<void*>(place)); }
inline void acquire(const void* place) { __tsan_acquire(const_cast<void*>(place)); }

/// A new clock: after what its creator has done so far.
class Clock {
 public:
  Clock() : handle_(__tsan_create_fiber(0)) {}
  ~Clock() { __tsan_destroy_fiber(handle_); }
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  void* handle() const { return handle_; }

 private:
  void* handle_;
};

/// Memory accesses (also by memset, malloc, free) in its scope are not looked at.
class Unchecked {
 public:
  Unchecked() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Unchecked() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
  Unchecked(const Unchecked&) = delete;
  Unchecked& operator=(const Unchecked&) = delete;
};

#else

inline constexpr bool kDetectRaces = false;

inline void* current_clock() { return nullptr; }
inline void switch_clock(void*) {}
inline void release(const void*) {}
inline void acquire(const void*) {}

class Clock {
 public:
  void* handle() const { return nullptr; }
};

class Unchecked {
 public:
  Unchecked() {}  // not trivial, so that a scope's object is no unused variable
};

#endif

/// In its scope, what is done counts as done by `clock`'s owner.
class OnClock {
 public:
  explicit OnClock(void* clock) : before_(current_clock()) { switch_clock(clock); }
  ~OnClock() { switch_clock(before_); }
  OnClock(const OnClock&) = delete;
  OnClock& operator=(const OnClock&) = delete;

 private:
  void* before_;
};

/// Where clocks meet: what was done on a clock before it arrives happens before what is done on a clock that has left.
class Meeting {
 public:
  void arrive(void* clock) {
    if constexpr (kDetectRaces) {
      const OnClock on(clock);
      release(place_.get());
    }
  }
  void leave(void* clock) {
    if constexpr (kDetectRaces) {
      const OnClock on(clock);
      acquire(place_.get());
    }
  }

 private:
  // On the heap: an address that ThreadSanitizer forgets once it is freed.
  std::unique_ptr<char> place_ = kDetectRaces ? std::make_unique<char>() : nullptr;
};

/// A stream's clock. Those of streams that are gone are used again, and with them what is kept for each clock
/// (kernels/common/emulation/block.h): the host, which makes and ends streams, comes after all that they did.
class StreamClock {
 public:
  StreamClock() {
    if constexpr (kDetectRaces) {
      if (spare().empty()) {
        clock_ = std::make_unique<Clock>();
        return;
      }
      clock_ = std::move(spare().back());
      spare().pop_back();
      Meeting now;
      now.arrive(current_clock());
      now.leave(handle());
    }
  }
  ~StreamClock() {
    if constexpr (kDetectRaces) spare().push_back(std::move(clock_));
  }
  StreamClock(const StreamClock&) = delete;
  StreamClock& operator=(const StreamClock&) = delete;
  void* handle() const { return clock_ ? clock_->handle() : nullptr; }

 private:
  static std::vector<std::unique_ptr<Clock>>& spare() {
    static auto& clocks = *new std::vector<std::unique_ptr<Clock>>;
    return clocks;
  }

  std::unique_ptr<Clock> clock_;
};

}  // namespace boxcar::emulation
