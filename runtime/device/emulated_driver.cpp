#include "boxcar/runtime/device/emulated_driver.h"

#include <algorithm>
#include <cstdlib>

namespace boxcar::emulation {
namespace {

constexpr unsigned kRunOneIn = 8;         // a push runs earlier work with this chance
constexpr std::size_t kMostQueued = 512;  // keeps memory freed late within bounds

}  // namespace

// Never destroyed: streams and memory may live until the process ends.
Driver& Driver::instance() {
  static Driver& driver = *new Driver;
  return driver;
}

void Driver::add(Queue& queue) {
  std::lock_guard lock(mutex_);
  queues_.push_back(&queue);
}

void Driver::remove(Queue& queue) {
  finish(queue);
  std::lock_guard lock(mutex_);
  std::erase(queues_, &queue);
}

void Driver::push(Queue& queue, Work work) {
  std::lock_guard lock(mutex_);
  push_locked(queue, std::move(work));
}

void Driver::push_locked(Queue& queue, Work work) {
  release(&queue.issued_);
  queue.work_.push_back(std::move(work));
  while (queue.work_.size() > kMostQueued) run_one();
  maybe_run_some();
}

void Driver::finish(Queue& queue) {
  std::lock_guard lock(mutex_);
  while (!queue.work_.empty()) run_one();
  acquire(&queue.done_);
}

void Driver::record(Queue& queue, const std::shared_ptr<EventState>& event) {
  std::lock_guard lock(mutex_);
  const std::uint64_t number = ++event->recorded;
  push_locked(queue, {[event, number] {
                event->reached = std::max(event->reached, number);
                event->time = std::chrono::steady_clock::now();
                release(event.get());
              }});
}

void Driver::wait(Queue& queue, const std::shared_ptr<EventState>& event) {
  std::lock_guard lock(mutex_);
  push_locked(queue, {[event] { acquire(event.get()); }, false, event, event->recorded});
}

void Driver::finish(const EventState& event) {
  std::lock_guard lock(mutex_);
  const std::uint64_t target = event.recorded;
  while (event.reached < target) run_one();
  acquire(&event);
}

// Who asks again and again gets on: each time some work may run.
bool Driver::is_done(const EventState& event) {
  std::lock_guard lock(mutex_);
  maybe_run_some();
  if (event.reached < event.recorded) return false;
  acquire(&event);
  return true;
}

void Driver::free_later(void* data) {
  std::lock_guard lock(mutex_);
  const std::shared_ptr<void> block(data, [](void* p) {
    const Unchecked freed_when_nobody_uses_it;
    std::free(p);
  });
  for (Queue* queue : queues_) {
    if (!queue->work_.empty()) queue->work_.push_back({[block] {}});
  }
}

// One piece of work of a random queue. Some queue's front is always ready while there is work:
// what an event waits for was queued before the wait.
void Driver::run_one() {
  std::vector<Queue*> ready;
  for (Queue* queue : queues_) {
    if (!queue->work_.empty() && queue->work_.front().ready()) ready.push_back(queue);
  }
  if (ready.empty()) std::abort();
  Queue& chosen = *ready[random_() % ready.size()];
  Work work = std::move(chosen.work_.front());
  chosen.work_.pop_front();
  const OnClock on(chosen.clock_.handle());
  acquire(&chosen.issued_);
  work.run();
  work.run = nullptr;  // what it holds goes while the clock is the stream's
  release(&chosen.done_);
}

void Driver::maybe_run_some() {
  if (random_() % kRunOneIn != 0) return;
  std::size_t queued = 0;
  for (const Queue* queue : queues_) queued += queue->work_.size();
  for (std::size_t steps = random_() % (queued + 1); steps > 0; --steps) run_one();
}

}  // namespace boxcar::emulation
