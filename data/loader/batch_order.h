// Which images make up the batches of an epoch, and at what size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "boxcar/data/dataset/sample.h"
#include "boxcar/data/image/resize.h"

namespace boxcar {

struct BatchPlan {
  std::vector<std::size_t> indices;  // of the data set
  ResizedSize shape;                 // of every picture in the batch
};

/// Images sorted by height / width (ties by index) and the shape of each batch of `batch` of them: the
/// smallest multiples of `stride` that hold the batch's images at imgsz, plus `pad` strides before
/// rounding up (0.5 in validation, 0 in training).
std::vector<BatchPlan> rect_batches(std::span<const Dataset::Size> sizes, int batch, int imgsz, int stride, double pad);

/// 0..count-1, shuffled with a key of (seed, epoch).
std::vector<std::size_t> shuffled(std::size_t count, std::uint64_t seed, int epoch);

/// Consecutive indices in batches of one shape; the last may be smaller.
std::vector<BatchPlan> split_batches(std::span<const std::size_t> indices, int batch, ResizedSize shape);

/// Every ranks-th index from `rank`, of a list that is filled up from its start to a multiple of ranks.
/// The ranks' batches number k together hold the images of a single rank's batch number k.
std::vector<std::size_t> shard(std::span<const std::size_t> indices, int rank, int ranks);

/// A rank's contiguous run of whole batches; the first ranks get one more where they do not divide.
std::vector<BatchPlan> shard_batches(std::span<const BatchPlan> batches, int rank, int ranks);

/// Whom the samples of an epoch may be joined with in mosaics and mixtures: the images read last, up to a number, so
/// that they are still in memory; all images where they are no more than that. It follows from the epoch's order, so it
/// does not depend on workers, ranks or caches.
class Partners {
 public:
  /// For an epoch in the order shuffled(count, seed, epoch); `most` images are at hand. Before the epoch's first
  /// samples come the last ones of the epoch before.
  Partners(std::size_t count, std::uint64_t seed, int epoch, std::size_t most);
  /// For the sample at a position of the order (counted on from its start beyond its end), which is among them.
  std::span<const std::size_t> of(std::size_t position) const;

 private:
  std::size_t count_, most_;
  std::vector<std::size_t> line_;
};

}  // namespace boxcar
