#include "boxcar/data/loader/epoch_batches.h"

#include <algorithm>
#include <numeric>

namespace boxcar {

EpochBatches::EpochBatches(const Dataset& dataset, const DataLoaderOptions& options)
    : options_(options), count_(dataset.size()) {
  if (!options.rect) return;
  std::vector<Dataset::Size> sizes;
  for (std::size_t i = 0; i < count_; ++i) sizes.push_back(dataset.image_size(i));
  constexpr double kValidationPad = 0.5;
  rect_ = rect_batches(sizes, options.batch, options.imgsz, options.stride, options.training ? 0 : kValidationPad);
  one_shape_ = std::ranges::all_of(rect_, [&](const BatchPlan& b) { return b.shape == rect_.front().shape; });
}

std::vector<BatchPlan> EpochBatches::of(int epoch) const {
  const ResizedSize square{options_.imgsz, options_.imgsz};
  if (options_.training && (!options_.rect || one_shape_)) {
    const auto order = shard(shuffled(count_, options_.seed, epoch), options_.rank, options_.ranks);
    return split_batches(order, options_.batch, options_.rect ? rect_.front().shape : square);
  }
  if (options_.rect) return shard_batches(rect_, options_.rank, options_.ranks);
  std::vector<std::size_t> order(count_);
  std::iota(order.begin(), order.end(), std::size_t{0});
  return shard_batches(split_batches(order, options_.batch, square), options_.rank, options_.ranks);
}

}  // namespace boxcar
