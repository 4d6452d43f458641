// Statistics of a batch from what a block of a forward kernel stores, while it has it; for .cu files only.
#pragma once

#include "boxcar/kernels/common/matrix_tile.h"
#include "boxcar/kernels/norm_act/batch_statistics_device.h"

namespace boxcar::kernels::cuda {

/// Distances of values from an origin, added up.
struct Distances {
  float sum = 0, squares = 0;

  BOXCAR_DEVICE void add(float distance) {
    sum += distance;
    squares += distance * distance;
  }
  BOXCAR_DEVICE void add(const Distances& more) {
    sum += more.sum;
    squares += more.squares;
  }
  /// Adds up lanes that differ in the bits `first`, 2 * first, ... below `end` of their number.
  BOXCAR_DEVICE void add_lanes(int first, int end) {
#pragma unroll
    for (int bit = first; bit < end; bit *= 2) {
      add(Distances{__shfl_xor_sync(~0u, sum, bit), __shfl_xor_sync(~0u, squares, bit)});
    }
  }
};

/// To be called by all threads of all blocks of a kernel whose blocks own Tile, with the values as they were stored;
/// `rows` of the block's tile are there. The origin of a channel is its value in the tile's first row.
template <class Tile, class Sums>
BOXCAR_DEVICE void add_tile_statistics(const Sums& values, int rows, const ChunkTile& tile,
                                       const StatisticsOfChunks& statistics) {
  constexpr int kWarpsDown = Tile::kRows / Tile::kWarpRows;
  BOXCAR_SHARED(float, origins, [Tile::kColumns]);
  BOXCAR_SHARED(float, parts, [kWarpsDown][Tile::kColumns][2]);
  BOXCAR_SHARED(float, table, [Tile::kThreads * kMomentFloats]);
  const int lane = lane_of_warp(), warp = warp_row<Tile>() / Tile::kWarpRows;
  if (values.row(0) == 0) {
#pragma unroll
    for (int j = 0; j < Sums::kThreadColumns; ++j) origins[values.column(j)] = values.value(0, j);
  }
  __syncthreads();
#pragma unroll
  for (int j = 0; j < Sums::kThreadColumns; ++j) {
    const int column = values.column(j);
    const float origin = origins[column];
    Distances all;
#pragma unroll
    for (int i = 0; i < Sums::kThreadRows; ++i) {
      if (values.row(i) < rows) all.add(values.value(i, j) - origin);
    }
    all.add_lanes(4, 32);  // the eight that have these columns
    if (lane < 4) {
      parts[warp][column][0] = all.sum;
      parts[warp][column][1] = all.squares;
    }
  }
  __syncthreads();
  const int column = static_cast<int>(threadIdx.x), channel = tile.first + column;
  if (column < Tile::kColumns && channel < tile.end) {
    Distances all;
#pragma unroll
    for (int k = 0; k < kWarpsDown; ++k) all.add(Distances{parts[k][column][0], parts[k][column][1]});
    store_chunk_sum(statistics.chunks, blockIdx.x, channel,
                    moments_around(origins[column], static_cast<float>(rows), all.sum, all.squares));
  }
  statistics.merge(tile, table);
}

}  // namespace boxcar::kernels::cuda
