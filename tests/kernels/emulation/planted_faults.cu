#include "boxcar/kernels/common/launch.h"
#include "kernels/emulation/planted_faults.h"

namespace boxcar::test {
namespace {

using kernels::Grid;
using kernels::grid_for;
using kernels::launch;

const Grid kOneWarp{dim3(1), dim3(32)};
const Grid kTwoWarps{dim3(1), dim3(64)};

__global__ void store_past_the_end_kernel(float* x) { x[blockIdx.x * blockDim.x + threadIdx.x] = 1; }

__global__ void read_past_shared_kernel(float* x) {
  BOXCAR_SHARED(float, values, [32]);
  values[threadIdx.x] = 1;
  __syncthreads();
  const float* after = values + 1;
  x[threadIdx.x] = after[threadIdx.x];
}

__global__ void write_past_dynamic_shared_kernel(float* x) {
  BOXCAR_DYNAMIC_SHARED(float, values);
  values[threadIdx.x + 1] = x[threadIdx.x];
}

__global__ void reverse_without_barrier_kernel(const float* x, float* y) {
  BOXCAR_SHARED(float, values, [64]);
  values[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = values[63 - threadIdx.x];
}

__global__ void broadcast_without_syncwarp_kernel(const float* x, float* y) {
  BOXCAR_SHARED(float, value, [1]);
  if (threadIdx.x == 0) value[0] = x[0];
  y[threadIdx.x] = fmaxf(value[0], 0.0f);
}

__global__ void read_uninitialised_kernel(float* y) {
  BOXCAR_SHARED(float, values, [32]);
  if (threadIdx.x != 7) values[threadIdx.x] = 0;
  __syncthreads();
  float most = 0;
  for (int i = 0; i < 32; ++i) most = fmaxf(most, values[i]);
  y[threadIdx.x] = most;
}

__global__ void load_misaligned_kernel(const float* x, float* y) {
  const float4 v = *reinterpret_cast<const float4*>(x + threadIdx.x);
  y[threadIdx.x] = v.x + v.w;
}

__global__ void barrier_in_both_branches_kernel() {
  if (threadIdx.x % 2 == 0) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

__global__ void return_before_barrier_kernel() {
  if (threadIdx.x >= 32) return;
  __syncthreads();
}

__global__ void shuffle_in_branch_kernel() {
  if (threadIdx.x < 16) __shfl_sync(0xffffffffu, 1, 0);
}

__global__ void shuffle_from_unnamed_lane_kernel() {
  if (threadIdx.x < 16) __shfl_sync(0x0000ffffu, 1, 20);
}

__global__ void declare_too_much_kernel() {
  BOXCAR_SHARED(float, a, [32][208]);
  BOXCAR_SHARED(float, b, [32][208]);
  a[0][threadIdx.x] = b[0][threadIdx.x] = 0;
}

__global__ void order_of_blocks_kernel(float* sum) {
  if (threadIdx.x == 0) *sum = *sum * 2 + static_cast<float>(blockIdx.x);
}

__global__ void blocks_store_to_one_place_kernel(float* y) { y[threadIdx.x] = static_cast<float>(threadIdx.x); }

template <bool kFence>
__global__ void last_block_kernel(float* partial, unsigned* counter, float* sum) {
  if (threadIdx.x != 0) return;
  partial[blockIdx.x] = static_cast<float>(blockIdx.x);
  if (kFence) __threadfence();
  if (atomicAdd(counter, 1u) != gridDim.x - 1) return;
  float all = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) all += __ldcg(partial + i);
  *sum = all;
}

__global__ void shuffle_as_barrier_kernel(float* y) {
  BOXCAR_SHARED(float, value, [1]);
  if (threadIdx.x == 0) value[0] = 5;
  const int ready = __shfl_sync(0xffffffffu, 1, 0);
  y[threadIdx.x] = value[0] + static_cast<float>(ready);
}

}  // namespace

void store_past_the_end(Stream& stream, float* x, std::int64_t n) {
  launch("store_past_the_end", store_past_the_end_kernel, grid_for(n, 32), stream, x);
}
void read_past_shared(Stream& stream, float* x) {
  launch("read_past_shared", read_past_shared_kernel, kOneWarp, stream, x);
}
void write_past_dynamic_shared(Stream& stream, float* x) {
  launch("write_past_dynamic_shared", write_past_dynamic_shared_kernel, Grid{dim3(1), dim3(32), 32 * sizeof(float)},
         stream, x);
}
void reverse_without_barrier(Stream& stream, const float* x, float* y) {
  launch("reverse_without_barrier", reverse_without_barrier_kernel, kTwoWarps, stream, x, y);
}
void broadcast_without_syncwarp(Stream& stream, const float* x, float* y) {
  launch("broadcast_without_syncwarp", broadcast_without_syncwarp_kernel, kOneWarp, stream, x, y);
}
void read_uninitialised(Stream& stream, float* y) {
  launch("read_uninitialised", read_uninitialised_kernel, kOneWarp, stream, y);
}
void load_misaligned(Stream& stream, const float* x, float* y) {
  launch("load_misaligned", load_misaligned_kernel, kOneWarp, stream, x, y);
}
void barrier_in_both_branches(Stream& stream) {
  launch("barrier_in_both_branches", barrier_in_both_branches_kernel, kTwoWarps, stream);
}
void return_before_barrier(Stream& stream) {
  launch("return_before_barrier", return_before_barrier_kernel, kTwoWarps, stream);
}
void shuffle_in_branch(Stream& stream) { launch("shuffle_in_branch", shuffle_in_branch_kernel, kOneWarp, stream); }
void shuffle_from_unnamed_lane(Stream& stream) {
  launch("shuffle_from_unnamed_lane", shuffle_from_unnamed_lane_kernel, kOneWarp, stream);
}
void declare_too_much(Stream& stream) { launch("declare_too_much", declare_too_much_kernel, kOneWarp, stream); }
void blocks_store_to_one_place(Stream& stream, float* y) {
  launch("blocks_store_to_one_place", blocks_store_to_one_place_kernel, Grid{dim3(2), dim3(32)}, stream, y);
}
void last_block_without_fence(Stream& stream, float* partial, unsigned* counter, float* sum) {
  launch("last_block_without_fence", last_block_kernel<false>, Grid{dim3(4), dim3(32)}, stream, partial, counter, sum);
}
void last_block_with_fence(Stream& stream, float* partial, unsigned* counter, float* sum) {
  launch("last_block_with_fence", last_block_kernel<true>, Grid{dim3(4), dim3(32)}, stream, partial, counter, sum);
}
void shuffle_as_barrier(Stream& stream, float* y) {
  launch("shuffle_as_barrier", shuffle_as_barrier_kernel, kOneWarp, stream, y);
}
void order_of_blocks(Stream& stream, float* sum) {
  launch("order_of_blocks", order_of_blocks_kernel, Grid{dim3(5), dim3(32)}, stream, sum);
}

}  // namespace boxcar::test
