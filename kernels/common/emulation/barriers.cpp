// What makes the threads of a block wait for each other.
#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "boxcar/kernels/common/emulation/block.h"

namespace boxcar::emulation {
namespace {

bool same(const Site& a, const Site& b) {
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

std::string text(const Site& site) { return fmt::format("{}:{}", site.file_name(), site.line()); }
std::string text(uint3 i) { return fmt::format("({},{},{})", i.x, i.y, i.z); }

std::string whereabouts(const Thread& thread) {
  const std::string name = "thread " + text(thread.index);
  if (thread.state == Thread::State::kDone) return name + " has returned";
  if (!thread.waits()) return name + " is running";
  const char* place = thread.state == Thread::State::kAtBarrier ? "__syncthreads" : "a warp operation";
  return fmt::format("{} waits in {} at {}", name, place, text(thread.site));
}

}  // namespace

void Worker::sync_block(Site site) {
  Thread& self = *current_;
  self.state = Thread::State::kAtBarrier;
  self.site = site;
  if (at_barrier_++ == 0) first_at_barrier_ = &self;
  if (!same(site, first_at_barrier_->site)) report_pair("divergent __syncthreads", *first_at_barrier_, self);
  if (at_barrier_ == threads_.size()) {
    at_barrier_ = 0;
    order_memory(threads_, ~0u);
    for (const unsigned number : order_) make_ready(threads_[number]);
  }
  suspend();
}

std::uint64_t Worker::sync_warp(WarpOp op, unsigned mask, std::uint64_t value, int source, Site site) {
  Thread& self = *current_;
  const unsigned warp = self.number / kWarpSize, lane = self.number % kWarpSize;
  self.state = Thread::State::kInWarpOp;
  self.site = site;
  self.op = op;
  self.mask = mask;
  self.value = value;
  self.source = source;
  if (!(mask >> lane & 1u)) {
    report(fmt::format("the mask {:#x} at {} does not name the calling lane {}", mask, text(site), lane));
  }
  unsigned& waiting = waiting_lanes_[warp];
  waiting |= 1u << lane;
  if ((waiting & mask) == mask) {
    waiting &= ~mask;
    finish_warp_op(&threads_[std::size_t{warp} * kWarpSize], self);
  }
  suspend();
  return self.result;
}

// What each of the threads did before they met happens before what any of them does next. `mask`: of each warp's lanes.
void Worker::order_memory(std::span<const Thread> threads, unsigned mask) {
  if (!checked_) return;
  Meeting meeting;
  const auto each = [&](auto&& act) {
    for (const Thread& thread : threads) {
      if (mask >> thread.number % kWarpSize & 1u) act(thread.fiber->clock());
    }
  };
  each([&](void* clock) { meeting.arrive(clock); });
  each([&](void* clock) { meeting.leave(clock); });
}

// All lanes of the mask have come: hands out what the operation gives each, and lets them go on.
void Worker::finish_warp_op(Thread* lanes, const Thread& last) {
  std::uint64_t ballot = 0;
  for (unsigned i = 0; i < kWarpSize; ++i) {
    if (!(last.mask >> i & 1u)) continue;
    const Thread& lane = lanes[i];
    if (lane.mask != last.mask) report_pair("warp operation with different masks", lane, last);
    if (lane.op != last.op || !same(lane.site, last.site)) report_pair("divergent warp operation", lane, last);
    ballot |= std::uint64_t{lane.value != 0} << i;
  }
  // Shuffles and votes hand over values; by CUDA's rules they order no memory.
  if (last.op == WarpOp::kSync) order_memory({lanes, kWarpSize}, last.mask);
  const bool reverse = launch_->settings.order == EmulationSettings::Order::kReverse;
  for (unsigned k = 0; k < kWarpSize; ++k) {
    const unsigned i = reverse ? kWarpSize - 1 - k : k;
    if (!(last.mask >> i & 1u)) continue;
    Thread& lane = lanes[i];
    if (lane.op == WarpOp::kBallot) lane.result = ballot;
    if (lane.op == WarpOp::kShuffle) {
      if (!(last.mask >> lane.source & 1u)) {
        report(fmt::format("the shuffle at {} reads lane {}, which the mask {:#x} does not name", text(last.site),
                           lane.source, last.mask));
      }
      lane.result = lanes[lane.source].value;
    }
    make_ready(lane);
  }
}

void Worker::report(const std::string& problem) const {
  std::string where;
  if (launch_) where = fmt::format("kernel {}, block {}", launch_->name, text(indices.block));
  if (current_) where += fmt::format(", thread {}", text(current_->index));
  std::fprintf(stderr, "CUDA emulation: %s: %s\n", where.c_str(), problem.c_str());
  std::abort();
}

void Worker::report_pair(const char* problem, const Thread& a, const Thread& b) const {
  report(fmt::format("{}: {}, but {}", problem, whereabouts(a), whereabouts(b)));
}

// No thread can go on: some wait for one that waits elsewhere or has returned.
void Worker::report_stuck() const {
  const Thread* waiting = nullptr;
  for (const Thread& thread : threads_) {
    if (thread.waits() && !waiting) waiting = &thread;
  }
  for (const Thread& thread : threads_) {
    const bool elsewhere = thread.waits() && !same(thread.site, waiting->site);
    if (elsewhere || !thread.waits()) report_pair("divergent barrier", *waiting, thread);
  }
  report(fmt::format("all threads wait: {}", whereabouts(*waiting)));
}

}  // namespace boxcar::emulation
