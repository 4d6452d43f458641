// The batches of every epoch of a loader.
#pragma once

#include <vector>

#include "boxcar/data/dataset/sample.h"
#include "boxcar/data/loader/batch_order.h"
#include "boxcar/data/loader/loader_options.h"

namespace boxcar {

/// A function of the options, the data set's image sizes (with rect) and the epoch.
class EpochBatches {
 public:
  /// `options` are completed().
  EpochBatches(const Dataset& dataset, const DataLoaderOptions& options);
  /// This rank's batches, the same number in every epoch.
  std::vector<BatchPlan> of(int epoch) const;

 private:
  DataLoaderOptions options_;
  std::size_t count_;
  std::vector<BatchPlan> rect_;  // of all ranks, with rect
  bool one_shape_ = false;       // of all rect batches
};

}  // namespace boxcar
