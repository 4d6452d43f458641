// Threads laid over rows of channels, without divisions; for .cu files only.
//
// A block is lanes x rows threads: threadIdx.x picks a vector of channels, threadIdx.y a row.
// blockIdx.y goes on along the channels, blockIdx.x along the rows. A thread keeps its channels
// and takes every blockDim.y-th row of its block's.
#pragma once

#include <bit>
#include <limits>
#include <numeric>

#include "boxcar/kernels/common/launch.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels::cuda {

inline constexpr unsigned kTileThreads = 256;

/// blockDim for `channels` in vectors of `width`: as many lanes as vectors, a power of two up to `most_lanes`.
inline dim3 tile_threads(int channels, int width, unsigned most_lanes) {
  const unsigned vectors = static_cast<unsigned>((channels + width - 1) / width);
  const unsigned lanes = std::bit_ceil(vectors < most_lanes ? vectors : most_lanes);
  return dim3(lanes, kTileThreads / lanes);
}

/// A grid over rows x channels in which a thread takes `rows_per_thread` rows.
inline Grid tile_grid(std::int64_t rows, int channels, int width, unsigned rows_per_thread) {
  const dim3 threads = tile_threads(channels, width, 32);
  const std::int64_t block_rows = std::int64_t{threads.y} * rows_per_thread;
  const unsigned block_channels = threads.x * static_cast<unsigned>(width);
  const Grid along_rows = grid_for((rows + block_rows - 1) / block_rows, 1);
  return {dim3(along_rows.blocks.x, (static_cast<unsigned>(channels) + block_channels - 1) / block_channels), threads};
}

/// A packed tensor under the shape that fills lanes and vectors best, for ops to which elements are all alike. The same
/// for tensors of the same shape.
inline TensorView recut(const TensorView& packed) {
  const std::int64_t count = packed.count(), channels = std::gcd(count, std::int64_t{256}), rows = count / channels;
  if (channels <= packed.c || rows > std::numeric_limits<int>::max()) return packed;
  return {packed.data, packed.dtype, 1, 1, static_cast<int>(rows), static_cast<int>(channels), channels};
}

/// First channel of the calling thread.
template <int kWidth>
BOXCAR_DEVICE int tile_channel() {
  return static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x) * kWidth;
}

/// Calls f(row) for the rows of the calling thread in a tile_grid of the same rows_per_thread;
/// kAtOnce of them side by side, where registers suffice.
template <unsigned kRowsPerThread, int kAtOnce, class F>
BOXCAR_DEVICE void for_tile_rows(std::int64_t rows, F&& f) {
  const std::int64_t first = std::int64_t{blockIdx.x} * blockDim.y * kRowsPerThread + threadIdx.y;
#pragma unroll kAtOnce
  for (unsigned k = 0; k < kRowsPerThread; ++k) {
    const std::int64_t row = first + k * blockDim.y;
    if (row < rows) f(row);
  }
}

}  // namespace boxcar::kernels::cuda
