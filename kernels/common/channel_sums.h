// Sums over the rows of a tensor for each channel, in one kernel; for .cu files only.
//
// blockIdx.x picks a chunk of rows, blockIdx.y a tile of up to 64 channels. A thread adds up
// every blockDim.y-th row of its chunk, a tree over threadIdx.y makes the chunk's sum, and the
// last block of a tile to arrive merges the chunks in their order. All of this follows from the
// tensor's shape and alignment: the bits do not depend on the schedule.
//
// A Sum is a struct of floats with an identity Sum{} and a free function merged(Sum, Sum).
#pragma once

#include <algorithm>
#include <cstring>

#include "boxcar/kernels/common/row_tiles.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels::cuda {

/// How often the last blocks of all tiles have been counted to: zero between kernels.
class TileCounters {
 public:
  static constexpr int kTiles = 1024;
  explicit TileCounters(Stream& stream) : counters_(Tensor::zeros(stream, {1, 1, 1, kTiles}, DType::kI32)) {}
  unsigned* data() const { return counters_.as<unsigned>(); }

 private:
  Tensor counters_;
};

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
    if (tiles > TileCounters::kTiles) fail<ShapeError>("{} channels are too many for a sum over rows", channels);
    grid_ = {dim3(static_cast<unsigned>(chunks), static_cast<unsigned>(tiles)), threads};
    const auto floats = chunks * channels * static_cast<std::int64_t>(sum_bytes / sizeof(float));
    partial_ = Tensor::empty(stream, {1, 1, static_cast<int>(chunks), static_cast<int>(floats / chunks)});
    counters_ = stream.resource<TileCounters>().data();
  }

  const Grid& grid() const { return grid_; }
  float* partial() const { return partial_.as(); }
  unsigned* counters() const { return counters_; }

 private:
  Grid grid_;
  Tensor partial_;
  unsigned* counters_;
};

/// Calls f(row) for the calling thread's rows of its block's chunk; kAtOnce of them side by side.
template <int kAtOnce, class F>
BOXCAR_DEVICE void for_chunk_rows(std::int64_t rows, F&& f) {
  const std::int64_t begin = rows * blockIdx.x / gridDim.x, end = rows * (blockIdx.x + 1) / gridDim.x;
#pragma unroll kAtOnce
  for (std::int64_t row = begin + threadIdx.y; row < end; row += blockDim.y) f(row);
}

// The sums of the block's threads, merged over threadIdx.y, to partial[chunk][field][channel].
template <int kWidth, class Sum>
BOXCAR_DEVICE void store_chunk_sums(const Sum (&sums)[kWidth], Sum* table, int channels, float* partial) {
  constexpr int kFields = sizeof(Sum) / sizeof(float);
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
    if (first + i >= channels) break;
    const float* fields = reinterpret_cast<const float*>(table + i * blockDim.y * blockDim.x + lane);
    for (int k = 0; k < kFields; ++k) {
      partial[(std::int64_t{blockIdx.x} * kFields + k) * channels + first + i] = fields[k];
    }
  }
}

// A chunk's sum of one channel, as another block stored it: not through the first-level cache.
template <class Sum>
BOXCAR_DEVICE Sum load_chunk_sum(const float* partial, std::int64_t chunk, int channels, int channel) {
  constexpr int kFields = sizeof(Sum) / sizeof(float);
  float fields[kFields];
#pragma unroll
  for (int k = 0; k < kFields; ++k) fields[k] = __ldcg(partial + (chunk * kFields + k) * channels + channel);
  Sum sum;
  memcpy(&sum, fields, sizeof(sum));
  return sum;
}

// Whether all other blocks of the tile have stored their sums. The same for all threads of a block.
BOXCAR_DEVICE bool is_last_of_tile(unsigned* counters) {
  BOXCAR_SHARED(unsigned, last, [1]);
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0) {
    last[0] = atomicAdd(counters + blockIdx.y, 1u) == gridDim.x - 1;
    if (last[0]) counters[blockIdx.y] = 0;
  }
  __syncthreads();
  __threadfence();
  return last[0] != 0;
}

/// To be called by all threads of the kernel with their sums; calls finish(channel, Sum) once for
/// each channel with the sum over all rows.
template <int kWidth, class Sum, class F>
BOXCAR_DEVICE void finish_channel_sums(const Sum (&sums)[kWidth], int channels, float* partial, unsigned* counters,
                                       F&& finish) {
  // As floats: an array of Sum would want a constructor to run, which shared memory has not.
  BOXCAR_SHARED(float, storage, [kTileThreads * kWidth * sizeof(Sum) / sizeof(float)]);
  Sum* table = reinterpret_cast<Sum*>(storage);
  store_chunk_sums(sums, table, channels, partial);
  if (!is_last_of_tile(counters)) return;
  // Each group of threads merges a run of chunks, one channel a thread; then the groups are merged.
  const unsigned tile = blockDim.x * kWidth, thread = threadIdx.y * blockDim.x + threadIdx.x;
  const unsigned groups = kTileThreads / tile, group = thread / tile;
  const int channel = static_cast<int>(blockIdx.y * tile + thread % tile);
  Sum sum{};
  if (channel < channels) {
    const std::int64_t begin = std::int64_t{gridDim.x} * group / groups,
                       end = std::int64_t{gridDim.x} * (group + 1) / groups;
#pragma unroll 4
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      sum = merged(sum, load_chunk_sum<Sum>(partial, chunk, channels, channel));
    }
  }
  table[thread] = sum;
  __syncthreads();
  if (group != 0 || channel >= channels) return;
  for (unsigned g = 1; g < groups; ++g) sum = merged(sum, table[g * tile + thread]);
  finish(channel, sum);
}

}  // namespace boxcar::kernels::cuda
