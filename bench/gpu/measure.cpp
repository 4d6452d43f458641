#include "measure.h"

#include <algorithm>

#include "boxcar/kernels/common/copy.h"
#include "boxcar/runtime/device/event.h"
#include "boxcar/runtime/random/philox.h"

namespace boxcar::bench {
namespace {

constexpr std::int64_t kMostSets = 16, kMostRepeats = 200;

// Milliseconds of `count` calls, starting with number `first`.
double time_once(Stream& stream, const std::vector<Call>& calls, std::size_t first, std::int64_t count) {
  StreamEvent begin(stream.device(), {.timed = true}), end(stream.device(), {.timed = true});
  begin.record(stream);
  for (std::int64_t i = 0; i < count; ++i) calls[(first + static_cast<std::size_t>(i)) % calls.size()](stream);
  end.record(stream);
  return end.milliseconds_since(begin);
}

// Name and cost, from a call under a profiler.
Measured describe(Stream& stream, const Call& call) {
  Profiler profiler;
  stream.set_profiler(&profiler);
  call(stream);
  stream.set_profiler(nullptr);
  stream.synchronize();
  Measured all;
  for (const Profiler::Row& row : profiler.rows()) {
    all.op += (all.op.empty() ? "" : " + ") + row.name;
    all.cost += row.cost;
  }
  return all;
}

std::vector<float> normal_values(std::int64_t count) {
  Random random(1);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

}  // namespace

Timing time_calls(Stream& stream, const std::vector<Call>& calls, const Settings& settings) {
  const double warm = time_once(stream, calls, 0, settings.warm_up) / settings.warm_up;
  const auto repeats =
      std::clamp(static_cast<std::int64_t>(settings.sample_ms / std::max(warm, 1e-6)), std::int64_t{1}, kMostRepeats);
  std::vector<double> samples;
  for (int i = 0; i < settings.samples; ++i) {
    const auto first = static_cast<std::size_t>(i * repeats);
    samples.push_back(1e3 * time_once(stream, calls, first, repeats) / static_cast<double>(repeats));
  }
  std::sort(samples.begin(), samples.end());
  const std::size_t n = samples.size();
  return {samples[n / 2], samples[n / 10], samples[n - 1 - n / 10]};
}

Measured measure(Stream& stream, const Case& one, const Settings& settings) {
  std::vector<Call> calls = {one.make(stream)};
  Measured result = describe(stream, calls[0]);
  result.shape = one.shape;
  const std::int64_t bytes = std::max<std::int64_t>(result.cost.bytes, 1);
  const std::int64_t sets = std::min(settings.rotate_bytes / bytes + 1, kMostSets);
  while (static_cast<std::int64_t>(calls.size()) < sets) calls.push_back(one.make(stream));
  result.microseconds = time_calls(stream, calls, settings);
  return result;
}

// One block of values, copied over and over: making gigabytes of them on the host would take longer than to measure.
Tensor random_tensor(Stream& stream, Shape shape, DType dtype) {
  constexpr std::int64_t kBlock = 1 << 20;
  static const std::vector<float> values = normal_values(kBlock);
  const std::int64_t count = shape.count(), block = std::min(count, kBlock);
  const Tensor f32 = Tensor::from(stream, {1, 1, 1, static_cast<int>(block)}, {values.begin(), values.begin() + block});
  const Tensor typed = Tensor::empty(stream, f32.shape(), dtype), all = Tensor::empty(stream, shape, dtype);
  kernels::copy(stream, {f32, typed});
  const auto size = static_cast<std::int64_t>(size_of(dtype));
  for (std::int64_t done = 0; done < count; done += block) {
    stream.copy(all.as<char>() + done * size, typed.view().data,
                static_cast<std::size_t>(std::min(block, count - done) * size));
  }
  stream.synchronize();
  return all;
}

}  // namespace boxcar::bench
