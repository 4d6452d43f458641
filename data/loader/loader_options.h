// What a loader is told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "boxcar/data/augment/options.h"

namespace boxcar {

enum class ImageCache {
  kNone,  // the most recently used images, up to cache_bytes
  kRam,   // all images, read when the loader is made; kNone with a warning if memory is short
};

struct DataLoaderOptions {
  bool training = true;  // shuffle and augment; false: in order, letterboxed
  int imgsz = 640;
  int batch = 16;          // images a batch on this rank; at most the data set has
  bool rect = false;       // batches of similar aspect, each with a shape of its own
  int stride = 32;         // of rect shapes; raised to 32
  std::uint64_t seed = 0;  // with epoch and sample the key of everything random

  AugmentOptions augment;  // training only; its imgsz and mosaic_closed are set by the loader
  int close_mosaic_from = std::numeric_limits<int>::max();  // first without mosaic, mixup, cutmix, copy-paste

  bool plans = false;  // training only: batches hold plans and their images, for somebody else to render

  int workers = 8;   // threads; 0: next() does the work
  int prefetch = 4;  // batches made ahead
  ImageCache cache = ImageCache::kNone;
  std::size_t cache_bytes = std::size_t{1} << 30;  // with kNone
  std::size_t memory_bytes = 0;                    // that kRam may count on; 0: what the system has to give

  int rank = 0, ranks = 1;  // training: every ranks-th image; validation: a run of whole batches
};

/// The options as the loader uses them for a data set of `images` images: batch and stride brought into
/// range, augment.imgsz set, mosaic, mixup and cutmix off with rect. Throws ArgumentError naming the first option that
/// is out of range.
DataLoaderOptions completed(DataLoaderOptions options, std::size_t images);

}  // namespace boxcar
