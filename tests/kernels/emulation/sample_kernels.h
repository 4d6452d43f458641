// Small correct kernels, for nvcc and for the emulation alike.
#pragma once

#include <cstdint>

#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::test {

/// x[i] = value for 0 <= i < n.
void fill_with(Stream& stream, float* x, std::int64_t n, float value);
/// sums[b] = x[256 b] + ... + x[256 b + 255], by shuffles within warps and shared memory between them.
void block_sums(Stream& stream, const float* x, float* sums, int blocks);
/// y[i] = x[n-1-i] within one block of n <= 1024 threads (a multiple of 32), through dynamic shared memory.
void reverse(Stream& stream, const float* x, float* y, int n);
/// counts[0]: how many x are above 0, by ballots and integer atomics; counts[0] starts at 0.
void count_positive(Stream& stream, const float* x, int* counts, std::int64_t n);
/// out[lane]: a sum of what the shuffles of one warp return, for all their directions and widths.
void shuffle_directions(Stream& stream, int* out);

}  // namespace boxcar::test
