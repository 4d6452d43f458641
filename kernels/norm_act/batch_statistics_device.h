// Statistics of a batch in kernels: from values to moments, and from moments to results; for .cu files only.
#pragma once

#include "boxcar/kernels/common/chunk_sums.h"
#include "boxcar/kernels/norm_act/batch_statistics.h"
#include "boxcar/kernels/norm_act/norm_act_math.h"

namespace boxcar::kernels::cuda {

/// Statistics that a kernel makes of its blocks' chunks; a kernel's argument.
struct StatisticsOfChunks {
  ChunkSums chunks;
  BatchStatistics to;

  BOXCAR_DEVICE bool wanted() const { return to.mean_rstd != nullptr; }

  /// Writes what follows from the moments of all chunks.
  BOXCAR_DEVICE void finish(int channel, const Moments& all) const {
    to.mean_rstd[channel] = all.mean;
    to.mean_rstd[chunks.channels + channel] = 1.0f / sqrtf(all.m2 / all.count + to.eps);
    if (!to.running_mean) return;
    float &mean = to.running_mean[channel], &var = to.running_var[channel];
    mean += to.momentum * (all.mean - mean);
    var += to.momentum * (all.m2 / (all.count - 1) - var);
  }

  /// merge_chunks() to results. table: of the moments of as many channels as the block has threads, in shared memory.
  BOXCAR_DEVICE void merge(const ChunkTile& tile, float* table) const {
    merge_chunks(chunks, tile, reinterpret_cast<Moments*>(table),
                 [&](int channel, const Moments& all) { finish(channel, all); });
  }
};
inline constexpr int kMomentFloats = sizeof(Moments) / sizeof(float);

/// The memory of it; none where no statistics are wanted.
class StatisticsPlan {
 public:
  StatisticsPlan(Stream& stream, const BatchStatistics& to, const Grid& grid, int channels) : to_(to) {
    if (to.wanted())
      plan_ = ChunkSumsPlan(stream, grid.blocks.x, grid.blocks.y * grid.blocks.z, channels, sizeof(Moments));
  }
  StatisticsOfChunks chunks() const { return {plan_.chunks(), to_}; }

 private:
  BatchStatistics to_;
  ChunkSumsPlan plan_;
};

/// Moments of values that a thread meets one after the other, for kWidth channels: of distances from the first.
template <int kWidth>
class RunningMoments {
 public:
  BOXCAR_DEVICE void add(const float (&values)[kWidth]) {
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      if (count_ == 0) origin_[i] = values[i];
      const float distance = values[i] - origin_[i];
      sum_[i] += distance;
      squares_[i] += distance * distance;
    }
    count_ += 1;
  }
  BOXCAR_DEVICE void store(Moments (&moments)[kWidth]) const {
#pragma unroll
    for (int i = 0; i < kWidth; ++i) moments[i] = moments_around(origin_[i], count_, sum_[i], squares_[i]);
  }

 private:
  float origin_[kWidth] = {}, sum_[kWidth] = {}, squares_[kWidth] = {};
  float count_ = 0;
};

}  // namespace boxcar::kernels::cuda
