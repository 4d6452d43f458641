#include "boxcar/kernels/common/emulation/block.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace boxcar::emulation {
namespace {

void run_threads_of(void* worker) { static_cast<Worker*>(worker)->run_threads(); }

}  // namespace

Worker& Worker::mine() {
  static thread_local Worker worker;
  return worker;
}

void Worker::run_block(const Launch& launch, std::uint64_t number, FunctionRef<void()> body, bool checked) {
  body_ = &body;
  checked_ = checked && kDetectRaces;
  start_block(launch, number);
  go_to(idle_fiber());  // back when all threads are done
  current_ = nullptr;
}

void Worker::begin_launch() {
  stream_clock_ = current_clock();
  checked_fibers_[stream_clock_].used = 0;
  begin_ = Meeting();
  begin_.arrive(stream_clock_);
}

void Worker::finish_launch() {
  const CheckedFibers& fibers = checked_fibers_[stream_clock_];
  Meeting end;
  for (std::size_t i = 0; i < fibers.used; ++i) end.arrive(fibers.all[i]->clock());
  end.leave(stream_clock_);
}

void Worker::start_block(const Launch& launch, std::uint64_t number) {
  launch_ = &launch;
  const dim3& grid = launch.blocks;
  indices.block = {static_cast<unsigned>(number % grid.x), static_cast<unsigned>(number / grid.x % grid.y),
                   static_cast<unsigned>(number / grid.x / grid.y)};
  indices.grid_size = grid;
  indices.block_size = launch.threads;
  set_threads(launch.threads);
  set_order(launch.settings, number);
  for (Thread& thread : threads_) {
    thread.state = Thread::State::kNotStarted;
    thread.fenced = false;
  }
  started_ = done_ = at_barrier_ = 0;
  shared_.start_block(launch.shared_bytes, launch.settings.poison, checked_);
}

void Worker::set_threads(dim3 size) {
  if (size.x == size_.x && size.y == size_.y && size.z == size_.z) return;
  size_ = size;
  threads_.resize(std::size_t{size.x} * size.y * size.z);
  for (unsigned i = 0; i < threads_.size(); ++i) {
    threads_[i].number = i;
    threads_[i].index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
  }
  waiting_lanes_.assign((threads_.size() + kWarpSize - 1) / kWarpSize, 0);
}

void Worker::set_order(const EmulationSettings& settings, std::uint64_t number) {
  order_.resize(threads_.size());
  std::iota(order_.begin(), order_.end(), 0u);
  if (settings.order == EmulationSettings::Order::kReverse) std::reverse(order_.begin(), order_.end());
  if (settings.order == EmulationSettings::Order::kRandom) {
    std::shuffle(order_.begin(), order_.end(), std::minstd_rand(static_cast<unsigned>(settings.seed * 7919 + number)));
  }
}

void Worker::run_threads() {
  for (;;) {
    while (started_ < threads_.size() && ready_.empty()) {
      start_thread(threads_[order_[started_++]]);
      if (checked_) break;
    }
    if (!checked_) idle_.push_back(running_);
    go_to(next_fiber());
  }
}

void Worker::start_thread(Thread& thread) {
  thread.fiber = running_;
  thread.state = Thread::State::kRunning;
  current_ = &thread;
  indices.thread = thread.index;
  (*body_)();
  thread.state = Thread::State::kDone;
  ++done_;
}

void Worker::make_ready(Thread& thread) {
  const Unchecked growth;
  ready_.push_back(&thread);
}

// Leaves the current thread until somebody has made it ready.
void Worker::suspend() {
  Thread& self = *current_;
  go_to(next_fiber());
  self.state = Thread::State::kRunning;
  current_ = &self;
  indices.thread = self.index;
}

void Worker::go_to(Fiber& to) {
  Fiber& from = *running_;
  if (&to == &from) return;
  running_ = &to;
  switch_clock(to.clock() ? to.clock() : stream_clock_);
  Fiber::switch_stacks(from, to);
}

Fiber& Worker::next_fiber() {
  if (!ready_.empty()) {
    Thread* next = ready_[next_ready_++];
    if (next_ready_ == ready_.size()) {
      ready_.clear();
      next_ready_ = 0;
    }
    return *next->fiber;
  }
  if (started_ < threads_.size()) return idle_fiber();
  if (done_ == threads_.size()) return caller_;
  report_stuck();
}

Fiber& Worker::idle_fiber() {
  if (checked_) return checked_fiber();
  if (idle_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>(run_threads_of, this));
    return *fibers_.back();
  }
  Fiber* fiber = idle_.back();
  idle_.pop_back();
  return *fiber;
}

Fiber& Worker::checked_fiber() {
  const OnClock stream(stream_clock_);  // its, not that of the thread which has to wait
  CheckedFibers& fibers = checked_fibers_[stream_clock_];
  if (fibers.used == fibers.all.size()) {
    fibers.all.push_back(std::make_unique<Fiber>(run_threads_of, this, std::make_unique<Clock>()));
  }
  Fiber& fiber = *fibers.all[fibers.used++];
  begin_.leave(fiber.clock());
  return fiber;
}

}  // namespace boxcar::emulation
