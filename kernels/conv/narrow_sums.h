// The sums of a row of results of a convolution of few channels (narrow.cpp).
#pragma once

#include <cstdint>

namespace boxcar::kernels {

/// sums[g, j] = act(bias[j] + the sum over row < kernel and k < depth of rows[row][g * step + k] * weights[row, k, j]),
/// j < width, a multiple of 16. Without `bias` they stay sums.
struct NarrowSums {
  const float* const* rows;
  int kernel;
  std::int64_t step, depth;
  const float *weights, *bias;
  float* sums;
  std::int64_t groups, width;
  const float* next = nullptr;  // memory that is worth asking for: what the next row of results reads
  std::int64_t next_size = 0;
};

}  // namespace boxcar::kernels
