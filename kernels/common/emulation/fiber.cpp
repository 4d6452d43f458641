#include "boxcar/kernels/common/emulation/fiber.h"

#include <sys/mman.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstdlib>
#include <utility>

#include "boxcar/kernels/common/emulation/sanitizer.h"

namespace boxcar::emulation {
namespace {

namespace context = boost::context::detail;

constexpr std::size_t kStackBytes = 128 << 10;
constexpr std::size_t kGuardBytes = 4 << 10;

}  // namespace

struct Fiber::Arrival {
  context::transfer_t from;
};

Fiber::Fiber(void (*entry)(void*), void* argument, std::unique_ptr<Clock> clock)
    : entry_(entry), argument_(argument), clock_(std::move(clock)) {
  void* mapping = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED || mprotect(mapping, kGuardBytes, PROT_NONE) != 0) std::abort();
  mapping_ = static_cast<std::byte*>(mapping);
  stack_bottom_ = mapping_ + kGuardBytes;
  stack_bytes_ = kStackBytes;
  const auto begin = [](context::transfer_t from) {
    Fiber& self = *static_cast<Fiber*>(from.data)->target_;
    arrive(self, {from});
    self.entry_(self.argument_);
    std::abort();
  };
  context_ = context::make_fcontext(mapping_ + kGuardBytes + kStackBytes, kStackBytes, begin);
}

Fiber::~Fiber() {
  if (!mapping_) return;
  permit(stack_bottom_, stack_bytes_);  // the addresses may come back for something else
  munmap(mapping_, kGuardBytes + kStackBytes);
}

void Fiber::switch_stacks(Fiber& from, Fiber& to) {
  from.target_ = &to;
  leave_stack(&from.fake_stack_, to.stack_bottom_, to.stack_bytes_);
  arrive(from, {context::jump_fcontext(to.context_, &from)});
}

// Runs first on the stack that was switched to; keeps where the one before was left.
void Fiber::arrive(Fiber& self, Arrival arrival) {
  auto& previous = *static_cast<Fiber*>(arrival.from.data);
  enter_stack(self.fake_stack_, &previous.stack_bottom_, &previous.stack_bytes_);
  previous.context_ = arrival.from.fctx;
}

}  // namespace boxcar::emulation
