// One anchor's raw values as distances and probabilities, with vector instructions.
#pragma once

#include <cstdint>

namespace boxcar::kernels::cpu {

/// The expected bin of each of four sides, as side_distance() of distance_math.h up to rounding, and NaN of NaN;
/// raw [4, bins].
void expected_bins(const float* raw, int bins, float* distances);

/// 1 / (1 + e^-z); 0 below -87 and for NaN.
void sigmoids(const float* z, std::int64_t count, float* to);

}  // namespace boxcar::kernels::cpu
