#include "boxcar/kernels/common/emulation/scheduler.h"

#include <algorithm>
#include <mutex>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "boxcar/kernels/common/emulation/block.h"

namespace boxcar::emulation {
namespace {

using Order = EmulationSettings::Order;

class RanNames {
 public:
  static RanNames& instance() {
    static RanNames names;
    return names;
  }
  void add(const char* name) {
    const std::lock_guard lock(mutex_);
    names_.emplace(name);
  }
  std::vector<std::string> list() {
    const std::lock_guard lock(mutex_);
    return {names_.begin(), names_.end()};
  }

 private:
  std::mutex mutex_;
  std::set<std::string> names_;
};

std::vector<std::uint32_t> numbers_in_order(std::uint64_t count, const EmulationSettings& settings) {
  std::vector<std::uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0u);
  if (settings.order == Order::kReverse) std::reverse(numbers.begin(), numbers.end());
  if (settings.order == Order::kRandom) {
    std::shuffle(numbers.begin(), numbers.end(), std::mt19937(static_cast<unsigned>(settings.seed)));
  }
  return numbers;
}

// Clocks cost time (0.3 ms each when new) and memory, so races are looked for between some blocks of a large grid only:
// its corners, and others by their place in the order. They run last, and how many they are is returned.
std::size_t move_checked_to_end(std::vector<std::uint32_t>& numbers, std::size_t block_threads) {
  constexpr std::size_t kThreads = 512, kLeast = 2;
  const std::size_t count = std::min(numbers.size(), std::max(kThreads / block_threads, kLeast));
  const auto last = static_cast<std::uint32_t>(numbers.size() - 1);
  std::stable_partition(numbers.begin(), numbers.end(), [&](std::uint32_t n) { return n != 0 && n != last; });
  return count;
}

}  // namespace

void run(const Launch& launch, FunctionRef<void()> body) {
  RanNames::instance().add(launch.name);
  std::vector<std::uint32_t> numbers =
      numbers_in_order(std::uint64_t{launch.blocks.x} * launch.blocks.y * launch.blocks.z, launch.settings);
  if constexpr (kDetectRaces) {  // on one CPU thread, whose clocks they are
    const std::size_t block_threads = std::size_t{launch.threads.x} * launch.threads.y * launch.threads.z;
    const std::size_t unchecked = numbers.size() - move_checked_to_end(numbers, block_threads);
    Worker& worker = Worker::mine();
    worker.begin_launch();
    for (std::size_t i = 0; i < numbers.size(); ++i) worker.run_block(launch, numbers[i], body, i >= unchecked);
    worker.finish_launch();
    return;
  }
  parallel_for(launch.settings.workers, std::ssize(numbers), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      Worker::mine().run_block(launch, numbers[static_cast<std::size_t>(i)], body, false);
    }
  });
}

std::vector<std::string> kernels_that_ran() { return RanNames::instance().list(); }

void sync_block(Site site) { Worker::mine().sync_block(site); }
std::uint64_t sync_warp(WarpOp op, unsigned mask, std::uint64_t value, int source, Site site) {
  return Worker::mine().sync_warp(op, mask, value, source, site);
}
void fence() { Worker::mine().fence(); }
bool fenced() { return Worker::mine().fenced(); }
int lane() { return Worker::mine().lane(); }
void* shared_array(const void* key, std::size_t bytes, std::size_t alignment) {
  return Worker::mine().shared().array(key, bytes, alignment);
}
void* dynamic_shared() { return Worker::mine().shared().dynamic(); }
void report(const char* problem) { Worker::mine().report(problem); }

}  // namespace boxcar::emulation
