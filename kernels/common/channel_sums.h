// Sums over the rows of a tensor for each channel, in one kernel; for .cu files only.
//
// blockIdx.x picks a chunk of rows, blockIdx.y a tile of up to 64 channels. A thread adds up
// every blockDim.y-th row of its chunk, a tree over threadIdx.y makes the chunk's sum, and the
// last blocks to arrive merge the chunks (chunk_sums.h). All of this follows from the
// tensor's shape and alignment: the bits do not depend on the schedule.
#pragma once

#include <algorithm>

#include "boxcar/kernels/common/chunk_sums.h"
#include "boxcar/kernels/common/row_tiles.h"

namespace boxcar::kernels::cuda {

inline constexpr int kSumTileChannels = 64;

/// The grid and the memory of a kernel that ends in finish_channel_sums<Sum>.
class ChannelSumsPlan {
 public:
  ChannelSumsPlan(Stream& stream, std::int64_t rows, int channels, int width, std::size_t sum_bytes) {
    constexpr std::int64_t kRowsPerThread = 8, kMostChunks = 512;
    const dim3 threads = tile_threads(channels, width, static_cast<unsigned>(kSumTileChannels / width));
    const std::int64_t block_rows = threads.y * kRowsPerThread;
    const std::int64_t chunks = std::clamp<std::int64_t>((rows + block_rows - 1) / block_rows, 1, kMostChunks);
    const int tiles = (channels + kSumTileChannels - 1) / kSumTileChannels;
    grid_ = {dim3(static_cast<unsigned>(chunks), static_cast<unsigned>(tiles)), threads};
    memory_ = ChunkSumsPlan(stream, chunks, tiles, channels, sum_bytes);
  }

  const Grid& grid() const { return grid_; }
  const ChunkSums& chunks() const { return memory_.chunks(); }

 private:
  Grid grid_;
  ChunkSumsPlan memory_;
};

/// Calls f(row) for the calling thread's rows of its block's chunk; kAtOnce of them side by side.
template <int kAtOnce, class F>
BOXCAR_DEVICE void for_chunk_rows(std::int64_t rows, F&& f) {
  const std::int64_t begin = rows * blockIdx.x / gridDim.x, end = rows * (blockIdx.x + 1) / gridDim.x;
#pragma unroll kAtOnce
  for (std::int64_t row = begin + threadIdx.y; row < end; row += blockDim.y) f(row);
}

// The sums of the block's threads, merged over threadIdx.y, to the chunk's place.
template <int kWidth, class Sum>
BOXCAR_DEVICE void store_chunk_sums(const Sum (&sums)[kWidth], Sum* table, const ChunkSums& chunks) {
  const unsigned lane = threadIdx.x;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) table[(i * blockDim.y + threadIdx.y) * blockDim.x + lane] = sums[i];
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y >= half) continue;
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      Sum* mine = table + (i * blockDim.y + threadIdx.y) * blockDim.x + lane;
      *mine = merged(*mine, mine[half * blockDim.x]);
    }
  }
  const int first = tile_channel<kWidth>();
  if (threadIdx.y != 0) return;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    if (first + i >= chunks.channels) break;
    store_chunk_sum(chunks, blockIdx.x, first + i, table[i * blockDim.y * blockDim.x + lane]);
  }
}

/// To be called by all threads of the kernel with their sums; calls finish(channel, Sum) once for
/// each channel with the sum over all rows.
template <int kWidth, class Sum, class F>
BOXCAR_DEVICE void finish_channel_sums(const Sum (&sums)[kWidth], const ChunkSums& chunks, F&& finish) {
  // As floats: an array of Sum would want a constructor to run, which shared memory has not.
  BOXCAR_SHARED(float, storage, [kTileThreads * kWidth * sizeof(Sum) / sizeof(float)]);
  Sum* table = reinterpret_cast<Sum*>(storage);
  store_chunk_sums(sums, table, chunks);
  const unsigned width = blockDim.x * kWidth;
  const ChunkTile tile{blockIdx.y, static_cast<int>(blockIdx.y * width), chunks.channels, width};
  merge_chunks(chunks, tile, table, finish);
}

}  // namespace boxcar::kernels::cuda
