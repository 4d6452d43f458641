// Batches of an epoch, made ahead by threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "boxcar/data/dataset/sample.h"
#include "boxcar/data/loader/batch.h"
#include "boxcar/data/loader/loader_options.h"
#include "boxcar/runtime/base/log.h"

namespace boxcar {

/// Figures since the loader was made.
struct LoaderStats {
  std::int64_t batches = 0, images = 0;  // handed out
  double wait_seconds = 0;               // that next() waited for data (with workers=0: worked)
  std::int64_t cache_hits = 0, cache_misses = 0;
};

/// Batches are equal for any number of workers, any cache and any epoch to start from. One thread
/// calls; not copyable. Training with rect has no mosaic, mixup and cutmix, and shuffles only if all
/// batches have one shape.
class DataLoader {
 public:
  /// Throws ArgumentError for options out of range and DataError for a data set without images.
  DataLoader(std::shared_ptr<const Dataset> dataset, DataLoaderOptions options, Log log = {});
  ~DataLoader();  // waits for the pictures in the making
  DataLoader(const DataLoader&) = delete;
  DataLoader& operator=(const DataLoader&) = delete;

  /// Images of the data set, over all ranks.
  std::size_t size() const;
  /// Batches of an epoch on this rank; can be 0 in validation with more ranks than batches.
  int batches() const;

  /// Goes to the first batch of an epoch, from 0. The epoch after the one just read costs nothing: in
  /// training its batches are made ahead, unless that was said to be the `last`. Anything else drops what was made
  /// ahead.
  void start_epoch(int epoch, bool last = false);

  /// Moves the first epoch without mosaic. Batches not yet handed out follow, those of the current
  /// epoch too.
  void close_mosaic_from(int epoch);

  /// The next batch; none at the end of the epoch. What went wrong while it was made is thrown here;
  /// the batch after it can still be read. Throws ArgumentError before start_epoch().
  std::optional<HostBatch> next();

  LoaderStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace boxcar
