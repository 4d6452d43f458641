#include "boxcar/kernels/common/launch.h"
#include "kernels/emulation/sample_kernels.h"

namespace boxcar::test {
namespace {

using kernels::Grid;
using kernels::grid_for;
using kernels::launch;

__global__ void __launch_bounds__(256) fill_kernel(float* x, std::int64_t n, float value) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) x[i] = value;
}

BOXCAR_DEVICE float warp_sum(float v) {
#pragma unroll
  for (int lane_mask = 16; lane_mask > 0; lane_mask /= 2) v += __shfl_xor_sync(0xffffffffu, v, lane_mask);
  return v;
}

__global__ void __launch_bounds__(256) block_sums_kernel(const float* x, float* sums) {
  BOXCAR_SHARED(float, of_warp, [8]);
  const float sum = warp_sum(x[blockIdx.x * 256 + threadIdx.x]);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x >= 32) return;
  const float all = warp_sum(threadIdx.x < 8 ? of_warp[threadIdx.x] : 0.0f);
  if (threadIdx.x == 0) sums[blockIdx.x] = all;
}

__global__ void __launch_bounds__(1024) reverse_kernel(const float* x, float* y) {
  BOXCAR_DYNAMIC_SHARED(float, tile);
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

__global__ void __launch_bounds__(256) count_positive_kernel(const float* x, int* counts, std::int64_t n) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const unsigned votes = __ballot_sync(0xffffffffu, i < n && x[i] > 0);
  if (threadIdx.x % 32 == 0) atomicAdd(counts, __popc(votes));
}

__global__ void __launch_bounds__(32) shuffle_directions_kernel(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  const unsigned all = 0xffffffffu;
  int sum = __shfl_sync(all, lane, 35);          // lane 3
  sum += 100 * __shfl_up_sync(all, lane, 3, 8);  // stays inside eights
  sum += 10000 * __shfl_down_sync(all, lane, 3, 16);
  sum += 1000000 * __shfl_xor_sync(all, lane, 5);
  const unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  if (lane < 16) {  // two groups of lanes, each on its own
    sum += __shfl_xor_sync(half, lane, 1);
  } else {
    sum -= __shfl_xor_sync(half, lane, 2);
  }
  __syncwarp();
  out[lane] = sum + __any_sync(all, lane == 31) - __all_sync(all, lane != 31);
}

}  // namespace

void fill_with(Stream& stream, float* x, std::int64_t n, float value) {
  launch("fill", fill_kernel, grid_for(n, 256), stream, x, n, value);
}

void block_sums(Stream& stream, const float* x, float* sums, int blocks) {
  launch("block_sums", block_sums_kernel, Grid{dim3(static_cast<unsigned>(blocks)), dim3(256)}, stream, x, sums);
}

void reverse(Stream& stream, const float* x, float* y, int n) {
  const auto threads = static_cast<unsigned>(n);
  launch("reverse", reverse_kernel, Grid{dim3(1), dim3(threads), threads * sizeof(float)}, stream, x, y);
}

void count_positive(Stream& stream, const float* x, int* counts, std::int64_t n) {
  launch("count_positive", count_positive_kernel, grid_for(n, 256), stream, x, counts, n);
}

void shuffle_directions(Stream& stream, int* out) {
  launch("shuffle_directions", shuffle_directions_kernel, Grid{dim3(1), dim3(32)}, stream, out);
}

}  // namespace boxcar::test
