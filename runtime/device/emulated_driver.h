// What a CUDA driver does, for BOXCAR_CUDA=EMULATE: queues of work that run late.
//
// Work runs when the host waits for it, and otherwise at random moments and in random order
// between streams, so that missing events and host buffers reused too early show. The moments
// are the same in every run of a single-threaded program.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "boxcar/runtime/device/race_clocks.h"

namespace boxcar::emulation {

struct EventState {
  std::uint64_t recorded = 0;                    // record() calls issued
  std::uint64_t reached = 0;                     // and run
  std::chrono::steady_clock::time_point time{};  // of the last one run, by the host's clock
};

struct Work {
  std::function<void()> run;
  bool is_kernel = false;
  std::shared_ptr<EventState> waits_for = nullptr;  // may not run before its `target`-th record
  std::uint64_t target = 0;

  bool ready() const { return !waits_for || waits_for->reached >= target; }
};

class Queue;

/// One for the process, as a driver is. Thread-safe; work runs on the thread that makes it run.
class Driver {
 public:
  static Driver& instance();

  void add(Queue& queue);
  /// Runs what is left in it first.
  void remove(Queue& queue);
  void push(Queue& queue, Work work);
  void finish(Queue& queue);
  void record(Queue& queue, const std::shared_ptr<EventState>& event);
  void wait(Queue& queue, const std::shared_ptr<EventState>& event);
  void finish(const EventState& event);
  bool is_done(const EventState& event);
  /// Frees once the work queued so far is done.
  void free_later(void* data);

 private:
  void push_locked(Queue& queue, Work work);
  void run_one();
  void maybe_run_some();

  std::mutex mutex_;
  std::vector<Queue*> queues_;
  std::mt19937 random_;
};

/// The work of one stream, in order, on a clock of its own (race_clocks.h).
class Queue {
 public:
  Queue() { Driver::instance().add(*this); }
  ~Queue() { Driver::instance().remove(*this); }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

 private:
  friend class Driver;
  std::deque<Work> work_;
  StreamClock clock_;
  char issued_ = 0, done_ = 0;  // places where the host's clock and this one meet
};

}  // namespace boxcar::emulation
