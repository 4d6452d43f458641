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

std::vector<std::uint32_t> shuffled(std::uint64_t count, std::uint64_t seed) {
  std::vector<std::uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0u);
  std::shuffle(numbers.begin(), numbers.end(), std::mt19937(static_cast<unsigned>(seed)));
  return numbers;
}

}  // namespace

void run(const Launch& launch, FunctionRef<void()> body) {
  using Order = EmulationSettings::Order;
  RanNames::instance().add(launch.name);
  const EmulationSettings& settings = launch.settings;
  const std::uint64_t count = std::uint64_t{launch.blocks.x} * launch.blocks.y * launch.blocks.z;
  std::vector<std::uint32_t> random_order;
  if (settings.order == Order::kRandom) random_order = shuffled(count, settings.seed);
  parallel_for(settings.workers, static_cast<std::int64_t>(count), 1, [&](std::int64_t begin, std::int64_t end) {
    Worker& worker = Worker::mine();
    for (auto i = static_cast<std::uint64_t>(begin); i < static_cast<std::uint64_t>(end); ++i) {
      const std::uint64_t in_order = settings.order == Order::kReverse ? count - 1 - i : i;
      worker.run_block(launch, random_order.empty() ? in_order : random_order[i], body);
    }
  });
}

std::vector<std::string> kernels_that_ran() { return RanNames::instance().list(); }

void sync_block(Site site) { Worker::mine().sync_block(site); }
std::uint64_t sync_warp(WarpOp op, unsigned mask, std::uint64_t value, int source, Site site) {
  return Worker::mine().sync_warp(op, mask, value, source, site);
}
int lane() { return Worker::mine().lane(); }
void* shared_array(const void* key, std::size_t bytes, std::size_t alignment) {
  return Worker::mine().shared().array(key, bytes, alignment);
}
void* dynamic_shared() { return Worker::mine().shared().dynamic(); }
void report(const char* problem) { Worker::mine().report(problem); }

}  // namespace boxcar::emulation
