// Sums over the chunks of a kernel's blocks, merged by the last blocks to arrive; for .cu files only.
//
// A kernel cuts its rows into chunks, which blockIdx.x counts, and its channels into tiles. A block stores the sums of
// its chunk for each channel of its tile. Neighbouring chunks are a run: the last block of a run to arrive merges the
// run's chunks in their order, and the last one to have done so merges the runs, so that a block reads about as many
// sums as the square root of the number of chunks. All of it follows from the shape: the bits do not depend on the
// schedule.
//
// A Sum is a struct of floats with an identity Sum{} and a free function merged(Sum, Sum).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "boxcar/kernels/common/launch.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels::cuda {

/// How many blocks have arrived where kernels count them: zero between kernels.
class TileCounters {
 public:
  static constexpr unsigned kCount = 1 << 14;
  explicit TileCounters(Stream& stream) : counters_(Tensor::zeros(stream, {1, 1, 1, kCount}, DType::kI32)) {}
  unsigned* data() const { return counters_.as<unsigned>(); }

 private:
  Tensor counters_;
};

/// Where the blocks leave their sums; a kernel's argument.
struct ChunkSums {
  float* sums = nullptr;         // [chunks, then runs][fields of a Sum][channels]
  unsigned* counters = nullptr;  // [tiles][runs + 1]
  int channels = 0;
  unsigned run_chunks = 1;
};

/// The memory of a kernel that ends in merge_chunks<Sum>, for gridDim.x = chunks and as many channel tiles as there
/// are.
class ChunkSumsPlan {
 public:
  ChunkSumsPlan() = default;
  ChunkSumsPlan(Stream& stream, std::int64_t chunks, std::int64_t tiles, int channels, std::size_t sum_bytes) {
    if (2 * tiles > TileCounters::kCount) fail<ShapeError>("{} channels are too many for a sum over rows", channels);
    const std::int64_t most_runs = TileCounters::kCount / tiles - 1;
    const auto root = static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(chunks))));
    const std::int64_t run = std::max<std::int64_t>({1, root, (chunks + most_runs - 1) / most_runs});
    const std::int64_t rows = chunks + (chunks + run - 1) / run;
    memory_ = Tensor::empty(stream, {1, static_cast<int>(sum_bytes / sizeof(float)), static_cast<int>(rows), channels});
    chunks_ = {memory_.as(), stream.resource<TileCounters>().data(), channels, static_cast<unsigned>(run)};
  }

  const ChunkSums& chunks() const { return chunks_; }

 private:
  Tensor memory_;
  ChunkSums chunks_;
};

/// A block's tile: channels first..end-1, of up to `width` (a power of two that divides the number of threads).
struct ChunkTile {
  unsigned index;
  int first, end;
  unsigned width;
};

/// Stores what a block has found for one channel; chunk: blockIdx.x.
template <class Sum>
BOXCAR_DEVICE void store_chunk_sum(const ChunkSums& to, unsigned chunk, int channel, const Sum& sum) {
  constexpr int kFields = sizeof(Sum) / sizeof(float);
  const float* const fields = reinterpret_cast<const float*>(&sum);
#pragma unroll
  for (int k = 0; k < kFields; ++k) to.sums[(std::int64_t{chunk} * kFields + k) * to.channels + channel] = fields[k];
}

// As another block stored it: not through the first-level cache.
template <class Sum>
BOXCAR_DEVICE Sum load_chunk_sum(const ChunkSums& from, unsigned chunk, int channel) {
  constexpr int kFields = sizeof(Sum) / sizeof(float);
  float fields[kFields];
#pragma unroll
  for (int k = 0; k < kFields; ++k) {
    fields[k] = __ldcg(from.sums + (std::int64_t{chunk} * kFields + k) * from.channels + channel);
  }
  Sum sum;
  memcpy(&sum, fields, sizeof(sum));
  return sum;
}

/// Whether the block is the last of `count` to call this with one counter, which is zero again then. What the others
/// stored before is visible. The same for all threads of a block.
BOXCAR_DEVICE bool is_last_to_arrive(unsigned* counter, unsigned count) {
  BOXCAR_SHARED(unsigned, last, [1]);
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0) {
    last[0] = atomicAdd(counter, 1u) == count - 1;
    if (last[0]) *counter = 0;
  }
  __syncthreads();
  __threadfence();
  return last[0] != 0;
}

// Merges stored sums begin..end-1 for each channel of the tile and calls f(channel, Sum). The threads are groups of
// tile.width: each group merges a part of the sums, one channel a thread; then the groups are merged.
template <class Sum, class F>
BOXCAR_DEVICE void merge_stored(const ChunkSums& chunks, const ChunkTile& tile, unsigned begin, unsigned end,
                                Sum* table, F&& f) {
  const unsigned thread = threadIdx.y * blockDim.x + threadIdx.x, groups = blockDim.x * blockDim.y / tile.width;
  const unsigned group = thread / tile.width, count = end - begin;
  const int channel = tile.first + static_cast<int>(thread % tile.width);
  Sum sum{};
  if (channel < tile.end) {
    const unsigned last = begin + count * (group + 1) / groups;
#pragma unroll 4
    for (unsigned chunk = begin + count * group / groups; chunk < last; ++chunk) {
      sum = merged(sum, load_chunk_sum<Sum>(chunks, chunk, channel));
    }
  }
  table[thread] = sum;
  __syncthreads();
  if (group != 0 || channel >= tile.end) return;
  for (unsigned g = 1; g < groups; ++g) sum = merged(sum, table[g * tile.width + thread]);
  f(channel, sum);
}

/// To be called by all threads of all blocks after they have stored their sums; calls finish(channel, Sum) once for
/// each channel with the sum over all chunks. table: of as many as the block has threads, in shared memory.
template <class Sum, class F>
BOXCAR_DEVICE void merge_chunks(const ChunkSums& chunks, const ChunkTile& tile, Sum* table, F&& finish) {
  const unsigned count = gridDim.x, runs = (count + chunks.run_chunks - 1) / chunks.run_chunks;
  const unsigned run = blockIdx.x / chunks.run_chunks, begin = run * chunks.run_chunks;
  const unsigned end = min(count, begin + chunks.run_chunks);
  unsigned* const counters = chunks.counters + tile.index * (runs + 1);
  if (!is_last_to_arrive(counters + run, end - begin)) return;
  merge_stored(chunks, tile, begin, end, table,
               [&](int channel, const Sum& sum) { store_chunk_sum(chunks, count + run, channel, sum); });
  if (!is_last_to_arrive(counters + runs, runs)) return;
  merge_stored(chunks, tile, count, count + runs, table, finish);
}

}  // namespace boxcar::kernels::cuda
