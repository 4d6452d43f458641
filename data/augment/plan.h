// From random numbers to a training sample: the plan of its pixels, and its boxes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <variant>
#include <vector>

#include "boxcar/data/augment/boxes.h"
#include "boxcar/data/augment/copy_paste.h"
#include "boxcar/data/augment/options.h"
#include "boxcar/data/image/resize.h"
#include "boxcar/kernels/render/render_plan.h"
#include "boxcar/runtime/random/philox.h"

namespace boxcar {

using AugmentPlan = kernels::RenderPlan;

/// What drawing a plan needs to know of an image.
struct PlanSource {
  ResizedSize size;  // after the resize on load
  std::span<const BoxLabel> labels;
  std::span<const Polygon> polygons = {};  // one a label, or none
};

/// The images a plan may draw from.
struct PlanSources {
  /// Who may be the partner of the sample in a mosaic, in mixup and in cutmix; at least one, if there are any such.
  std::span<const std::size_t> partners;
  /// Called once for each image that a plan shows, in the order of the tiles' `source` numbers. The
  /// labels and polygons must stay valid until the plan is drawn.
  std::function<PlanSource(std::size_t index)> get;
};

struct PlannedSample {
  AugmentPlan plan;
  /// Image number 0, 1, ...: the index of one of the data set (the first is the sample itself), or one to be made of
  /// those before it.
  std::vector<std::variant<std::size_t, Paste>> images;
  std::vector<BoxLabel> boxes;  // fractions of the output
};

/// The generator of a sample's plan: equal keys give equal plans.
Random sample_random(std::uint64_t seed, int epoch, std::size_t index);

/// Draws everything that happens to sample `index`, for an output of height x width. Partners
/// are uniform over sources.partners, with replacement.
PlannedSample draw_plan(const AugmentOptions& options, int height, int width, std::size_t index,
                        const PlanSources& sources, Random& random);

/// Shifts of hue, saturation and value: three draws from [-1, 1] times the hyper-parameters.
struct HsvGains {
  double h = 0, s = 0, v = 0;
};
HsvGains draw_hsv_gains(const AugmentOptions& options, Random& random);

}  // namespace boxcar
