// Per-channel values as the vector code of normalisation reads them.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <vector>

#include "boxcar/kernels/norm_act/norm_act.h"

namespace boxcar::kernels::cpu::simd {

/// What repeats along a packed tensor of some channels.
struct Period {
  std::int64_t channels;
  std::int64_t size;        // floats; a multiple of channels and of 16, and at least 128
  std::int64_t chunk_rows;  // rows handled at a time, whole periods of about 2048 floats: they stay in the first cache

  explicit Period(std::int64_t channels);
  std::int64_t chunk() const { return chunk_rows * channels; }
  /// Writes values [channels] to [size], again and again; returns the end.
  float* repeat(const float* values, float* to) const;
};

/// What normalises, each [period.size].
struct NormPattern {
  Period period;
  std::pmr::vector<float> values;  // all four, one after the other
  const float *mean, *rstd, *gamma, *beta;

  NormPattern(Stream& stream, const Norm& norm, const float* mean_rstd, std::int64_t channels);
  NormPattern(const NormPattern&) = delete;  // a copy would point into this one
  NormPattern& operator=(const NormPattern&) = delete;
};

}  // namespace boxcar::kernels::cpu::simd
