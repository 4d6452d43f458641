// One picture of a batch, from the store to its pixels and boxes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "boxcar/data/augment/options.h"
#include "boxcar/data/loader/batch.h"
#include "boxcar/data/loader/image_store.h"
#include "boxcar/data/loader/planned_pictures.h"

namespace boxcar {

struct MadeSample {
  std::vector<BoxLabel> boxes;  // fractions of the picture
  ImageInfo info;
};

/// A sample whose picture is still to be rendered.
struct PlannedTrainingSample {
  MadeSample made;
  kernels::RenderPlan plan;
  std::vector<PlannedImage> images;
};

/// Which sample of which epoch, and whom it may be joined with.
struct SampleKey {
  std::uint64_t seed = 0;
  int epoch = 0;
  std::size_t index = 0;  // of the data set
  std::span<const std::size_t> partners;
};

/// Augmented, of height x width: a function of the key and the data. Images with objects pasted in are made at once.
PlannedTrainingSample plan_training_sample(Stream& stream, ImageStore& store, const AugmentOptions& options,
                                           const SampleKey& key, ResizedSize size);

/// The same, rendered into `out`, [1,H,W,3] u8.
MadeSample make_training_sample(Stream& stream, ImageStore& store, const AugmentOptions& options, const SampleKey& key,
                                const TensorView& out);

/// Letterboxed into `out`, [1,H,W,3] u8: centred, not enlarged beyond the resize on load.
MadeSample make_validation_sample(Stream& stream, ImageStore& store, std::size_t index, const TensorView& out);

}  // namespace boxcar
