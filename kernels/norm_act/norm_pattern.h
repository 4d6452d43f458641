// Per-channel values as the vector code of normalisation reads them.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <vector>

#include "boxcar/kernels/norm_act/norm_act.h"

namespace boxcar::kernels::cpu::simd {

/// Floats handled at a time, about: z, dy and dz of them stay in the first cache.
inline constexpr std::int64_t kChunk = 2048;

/// What repeats along a packed tensor of some channels.
struct Period {
  std::int64_t channels;
  std::int64_t size;        // floats; a multiple of channels and of 16, and at least 128
  std::int64_t chunk_rows;  // rows handled at a time, whole periods of about kChunk floats

  explicit Period(std::int64_t channels);
  std::int64_t chunk() const { return chunk_rows * channels; }
  /// Writes values [channels] to [size], again and again; returns the end.
  float* repeat(const float* values, float* to) const;
};

/// What normalises, each [period.size]: norm(z) = (z - mean) * scale + beta with scale = gamma * rstd.
struct NormPattern {
  Period period;
  std::pmr::vector<float> values;  // all three, one after the other
  const float *mean, *scale, *beta;

  NormPattern(Stream& stream, const Norm& norm, const float* mean_rstd, std::int64_t channels);
  NormPattern(const NormPattern&) = delete;  // a copy would point into this one
  NormPattern& operator=(const NormPattern&) = delete;
};

}  // namespace boxcar::kernels::cpu::simd
