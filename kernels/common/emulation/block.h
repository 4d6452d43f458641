// The state of one block's threads while it runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "boxcar/kernels/common/emulation/fiber.h"
#include "boxcar/kernels/common/emulation/scheduler.h"
#include "boxcar/kernels/common/emulation/shared_memory.h"

namespace boxcar::emulation {

inline constexpr unsigned kWarpSize = 32;

struct Thread {
  enum class State { kNotStarted, kRunning, kAtBarrier, kInWarpOp, kDone };
  unsigned number = 0;  // in its block
  uint3 index{};
  State state = State::kNotStarted;
  Fiber* fiber = nullptr;
  bool fenced = false;  // it has called __threadfence
  Site site;            // where it waits
  // Its part in a warp operation, and what came of it.
  WarpOp op = WarpOp::kSync;
  unsigned mask = 0;
  int source = 0;
  std::uint64_t value = 0, result = 0;

  bool waits() const { return state == State::kAtBarrier || state == State::kInWarpOp; }
};

/// Runs blocks, one after another, on one CPU thread.
///
/// One fiber takes thread after thread until a thread has to wait, which then owns the fiber:
/// a kernel without barriers costs a call a thread. Threads that go on do so in the order in
/// which they start; a warp that can go on does so before a further thread starts.
///
/// Where races are looked for (BOXCAR_DETECT_RACES), each thread of a launch's checked blocks has a
/// fiber, stack and clock to itself, and each block new shared memory: what is used again within a
/// launch hides races or invents some. The next launch on the same stream comes after all that they
/// did, and may have them.
class Worker {
 public:
  /// The calling CPU thread's.
  static Worker& mine();

  /// `checked`: for races with the launch's other checked blocks. Others run unseen.
  void run_block(const Launch& launch, std::uint64_t number, FunctionRef<void()> body, bool checked);
  /// The blocks from here to finish_launch() are a launch of the stream whose clock is the current one.
  void begin_launch();
  void finish_launch();
  /// On a fiber: starts threads, for ever.
  void run_threads();
  void sync_block(Site site);
  std::uint64_t sync_warp(WarpOp op, unsigned mask, std::uint64_t value, int source, Site site);
  void fence() { current_->fenced = true; }
  bool fenced() const { return current_->fenced; }
  int lane() const { return static_cast<int>(current_->number % kWarpSize); }
  SharedMemory& shared() { return shared_; }
  [[noreturn]] void report(const std::string& problem) const;

 private:
  void start_block(const Launch& launch, std::uint64_t number);
  void set_threads(dim3 size);
  void set_order(const EmulationSettings& settings, std::uint64_t number);
  void start_thread(Thread& thread);
  void suspend();
  void go_to(Fiber& to);
  Fiber& next_fiber();
  Fiber& idle_fiber();
  Fiber& checked_fiber();
  void finish_warp_op(Thread* lanes, const Thread& last);
  void order_memory(std::span<const Thread> threads, unsigned mask);
  void make_ready(Thread& thread);
  [[noreturn]] void report_stuck() const;
  [[noreturn]] void report_pair(const char* problem, const Thread& a, const Thread& b) const;

  const Launch* launch_ = nullptr;
  FunctionRef<void()>* body_ = nullptr;
  std::vector<Thread> threads_;
  dim3 size_{0, 0, 0};
  std::vector<unsigned> order_;          // numbers of the threads as they start
  std::vector<unsigned> waiting_lanes_;  // of each warp: a bit for each lane in a warp operation
  std::size_t started_ = 0, done_ = 0, at_barrier_ = 0;
  Thread* first_at_barrier_ = nullptr;
  std::vector<Thread*> ready_;  // a queue: from next_ready_ on
  std::size_t next_ready_ = 0;
  Thread* current_ = nullptr;

  Fiber caller_;
  Fiber* running_ = &caller_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;

  struct CheckedFibers {
    std::vector<std::unique_ptr<Fiber>> all;
    std::size_t used = 0;  // in this launch
  };
  bool checked_ = false;
  void* stream_clock_ = nullptr;
  std::map<void*, CheckedFibers> checked_fibers_;  // by the stream's clock
  Meeting begin_;
  SharedMemory shared_;
};

}  // namespace boxcar::emulation
