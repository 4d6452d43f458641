#include "boxcar/data/dataset/workers.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace boxcar {
namespace {

constexpr std::size_t kMostThreads = 16;

std::size_t thread_count(std::size_t count, int threads) {
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  return std::min(count, threads > 0 ? static_cast<std::size_t>(threads) : std::min(cores, kMostThreads));
}

}  // namespace

void run_on_workers(std::size_t count, int threads, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr error;
  std::mutex mutex;
  const auto worker = [&] {
    try {
      for (std::size_t i; (i = next.fetch_add(1)) < count;) work(i);
    } catch (...) {
      next = count;
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  };
  std::vector<std::jthread> others;
  try {
    for (std::size_t i = 1; i < thread_count(count, threads); ++i) others.emplace_back(worker);
  } catch (const std::system_error&) {  // no more threads to be had: go on with those there are
  }
  worker();
  others.clear();
  if (error) std::rethrow_exception(error);
}

}  // namespace boxcar
