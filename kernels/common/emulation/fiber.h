// Stacks of their own for the threads of an emulated block, switched by hand.
#pragma once

#include <cstddef>
#include <memory>

#include "boxcar/runtime/device/race_clocks.h"

namespace boxcar::emulation {

/// Code that can be left in the middle and gone on with later, on one CPU thread.
class Fiber {
 public:
  /// The stack the caller is on: somewhere to come back to.
  Fiber() = default;
  /// A new stack (128 KB above a guard page) on which entry(argument) runs once switched to.
  /// `entry` must never return. `clock`: its own, which the caller switches to (race_clocks.h).
  Fiber(void (*entry)(void*), void* argument, std::unique_ptr<Clock> clock = nullptr);
  /// Drops the stack; what is on it is not destroyed.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Leaves `from`, on whose stack the caller is, and goes on in `to`. Returns when somebody
  /// switches back to `from`.
  static void switch_stacks(Fiber& from, Fiber& to);

  /// Null if it has none of its own.
  void* clock() const { return clock_ ? clock_->handle() : nullptr; }

 private:
  struct Arrival;
  static void arrive(Fiber& self, Arrival arrival);

  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
  std::byte* mapping_ = nullptr;
  void* context_ = nullptr;     // where it was left
  void* fake_stack_ = nullptr;  // AddressSanitizer's
  const void* stack_bottom_ = nullptr;
  std::size_t stack_bytes_ = 0;
  Fiber* target_ = nullptr;  // whom it switched to last
  std::unique_ptr<Clock> clock_;
};

}  // namespace boxcar::emulation
