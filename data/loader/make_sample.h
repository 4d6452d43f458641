// One picture of a batch, from the store to its pixels and boxes.
#pragma once

#include <cstdint>
#include <vector>

#include "boxcar/data/augment/options.h"
#include "boxcar/data/loader/batch.h"
#include "boxcar/data/loader/image_store.h"

namespace boxcar {

struct MadeSample {
  std::vector<BoxLabel> boxes;  // fractions of the picture
  ImageInfo info;
};

/// Augmented for an epoch: a function of (seed, epoch, index) and the data. `out` is [1,H,W,3] u8.
MadeSample make_training_sample(Stream& stream, ImageStore& store, const AugmentOptions& options, std::uint64_t seed,
                                int epoch, std::size_t index, const TensorView& out);

/// Letterboxed into `out`, [1,H,W,3] u8: centred, not enlarged beyond the resize on load.
MadeSample make_validation_sample(Stream& stream, ImageStore& store, std::size_t index, const TensorView& out);

}  // namespace boxcar
