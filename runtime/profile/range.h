// Named ranges of time, which NVIDIA's tools show above the kernels launched in them (NVTX).
#pragma once

namespace boxcar {

/// From its construction to the end of its block; ranges of a thread nest. Next to nothing while no tool listens, and
/// nothing in a build without CUDA. Where CUDA is emulated a test may listen (emulated_ranges.h).
class TraceRange {
 public:
  /// `name` is a literal.
  explicit TraceRange(const char* name) noexcept;
  ~TraceRange();
  TraceRange(const TraceRange&) = delete;
  TraceRange& operator=(const TraceRange&) = delete;
};

}  // namespace boxcar
