// Times of ops on a GPU, by events of the stream.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "boxcar/runtime/profile/profiler.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::bench {

/// How large and how often. quick(): to see that all of it runs; its times say nothing.
struct Settings {
  int batch = 64;
  int shrink = 1;  // image sides are divided by this
  int narrow = 1;  // channels of convolutions are divided by this
  int warm_up = 20, samples = 50;
  double sample_ms = 0.3;                 // a sample repeats the op for about that long
  std::int64_t rotate_bytes = 256 << 20;  // sets of buffers take turns until they are larger than any cache
  std::int64_t copy_bytes = 1LL << 30;    // of the measured copy
  int gemm_size = 8192;                   // of the measured matrix product
  static Settings quick() { return {1, 32, 16, 1, 1, 0.0, 0, 1 << 16, 64}; }
};

/// Microseconds of one call: median, tenth and ninetieth percentile of the samples.
struct Timing {
  double median = 0, low = 0, high = 0;
};

/// The op on one set of buffers, which it owns. Queues work and does not wait.
using Call = std::function<void(Stream&)>;

/// A name for the table and what makes a set of buffers.
struct Case {
  std::string shape;
  std::function<Call(Stream&)> make;
};

/// What a case took, and what it is said to cost (kernels/common/op_cost.h).
struct Measured {
  std::string op, shape;
  Timing microseconds;
  OpCost cost{0, 0, 0};
};

/// The calls in turn, after a warm-up.
Timing time_calls(Stream& stream, const std::vector<Call>& calls, const Settings& settings);
Measured measure(Stream& stream, const Case& one, const Settings& settings);

/// A tensor of normally distributed values, deviation 1 (the same in every tensor of a type). f32 or bf16.
Tensor random_tensor(Stream& stream, Shape shape, DType dtype = DType::kF32);

}  // namespace boxcar::bench
