#include "support/backends.h"

#include <fmt/core.h>

#include <bit>
#include <cstdint>

#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/race_clocks.h"

namespace boxcar::test {
namespace {

using Order = EmulationSettings::Order;

struct Repetition {
  std::string name;
  std::vector<float> results;
};

std::vector<float> emulated(Device device, const Run& run, EmulationSettings settings) {
  Stream stream(device);
  *stream.backend().emulation() = settings;
  return run(stream);
}

std::vector<float> with_threads(Device device, const Run& run, int threads) {
  Stream stream(device, {.threads = threads});
  return run(stream);
}

// Forward and reverse order expose every pair of threads that lacks a barrier; two poisons expose
// an uninitialised read even where NaN is swallowed.
std::vector<Repetition> repetitions(Device device, const Run& run) {
  if (!device.is_cuda()) {
    return {{"1 thread", with_threads(device, run, 1)}, {"3 threads", with_threads(device, run, 3)}};
  }
  if (!Stream(device).backend().emulation()) {
    return {{"first", with_threads(device, run, 0)}, {"second", with_threads(device, run, 0)}};
  }
  // ThreadSanitizer sees a race in any order.
  if (emulation::kDetectRaces) return {{"random, 0xFF", emulated(device, run, {.order = Order::kRandom, .seed = 1})}};
  return {{"forward, 0xFF", emulated(device, run, {.order = Order::kForward, .poison = 0xFF})},
          {"reverse, 0xFF", emulated(device, run, {.order = Order::kReverse, .poison = 0xFF})},
          {"random, 0xFF", emulated(device, run, {.order = Order::kRandom, .poison = 0xFF, .seed = 1})},
          {"forward, 0x3D", emulated(device, run, {.order = Order::kForward, .poison = 0x3D})},
          {"random, 0x3D", emulated(device, run, {.order = Order::kRandom, .poison = 0x3D, .seed = 2})}};
}

std::string difference(const Repetition& a, const Repetition& b) {
  if (a.results.size() != b.results.size()) return fmt::format("{} and {} differ in size", a.name, b.name);
  for (std::size_t i = 0; i < a.results.size(); ++i) {
    if (std::bit_cast<std::uint32_t>(a.results[i]) == std::bit_cast<std::uint32_t>(b.results[i])) continue;
    return fmt::format("value {}: {} in run '{}', {} in run '{}'", i, a.results[i], a.name, b.results[i], b.name);
  }
  return "";
}

std::string difference(const std::vector<Repetition>& all) {
  for (const Repetition& one : all) {
    if (std::string found = difference(all.front(), one); !found.empty()) return found;
  }
  return "";
}

}  // namespace

std::vector<Device> devices() {
  if (emulation::kDetectRaces) return {Device::cuda()};
  if (cuda_device_count() > 0) return {Device::cpu(), Device::cuda()};
  return {Device::cpu()};
}

std::vector<float> run_on(Device device, const Run& run) {
  const std::vector<Repetition> all = repetitions(device, run);
  const std::string found = difference(all);
  EXPECT_TRUE(found.empty()) << found;
  return all.front().results;
}

std::string difference_between_runs(Device device, const Run& run) { return difference(repetitions(device, run)); }

}  // namespace boxcar::test
