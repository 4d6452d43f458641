// Sums over the threads of a block; for .cu files only.
#pragma once

#include "boxcar/kernels/common/launch.h"

namespace boxcar::kernels::cuda {

/// The sum over the kThreads threads of a block, in an order that is always the same; right in thread 0 only. To be
/// called by all threads.
template <unsigned kThreads, class T>
BOXCAR_DEVICE T block_sum(T value) {
  static_assert(kThreads % 32 == 0);
  BOXCAR_SHARED(T, values, [kThreads]);
  __syncthreads();  // until an earlier call has read them
  values[threadIdx.x] = value;
  __syncthreads();
  T sum = T(0);
  if (threadIdx.x < 32) {
#pragma unroll
    for (unsigned k = 0; k < kThreads; k += 32) sum += values[k + threadIdx.x];
#pragma unroll
    for (unsigned offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(0xffffffffu, sum, offset);
  }
  return sum;
}

/// The sum of what other blocks have stored, as block_sum.
template <unsigned kThreads>
BOXCAR_DEVICE double block_sum_of(const double* values, std::int64_t count) {
  double sum = 0.0;
  for (std::int64_t i = threadIdx.x; i < count; i += kThreads) sum += __ldcg(values + i);
  return block_sum<kThreads>(sum);
}

}  // namespace boxcar::kernels::cuda
