// Task-aligned assignment of one image's anchors to its ground truths.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <span>
#include <vector>

#include "boxcar/kernels/assign/anchors.h"
#include "boxcar/kernels/assign/assign_math.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {

/// How many anchors an object gets: topk before and topk2 after conflicts are settled (equal: no second cut). At most
/// kMaxTopk.
struct AssignOptions {
  int topk = 10;
  int topk2 = 10;
};
inline constexpr int kMaxTopk = 128;

using PredictionAt = FunctionRef<AnchorPrediction(std::int64_t anchor, int label)>;

/// A foreground anchor: the ground truth that holds it and its soft target score (0 for a filler).
struct AnchorMatch {
  std::int64_t anchor = 0;
  int gt = 0;
  float score = 0.0f;
};

/// The foreground anchors in ascending order; every other anchor is background. Equal metrics: the lowest
/// anchor first; equal overlaps: the lowest ground truth; NaN ranks first, so that it shows. Memory grows with objects
/// * topk, not with anchors; it comes from `memory`, that of the result too.
std::pmr::vector<AnchorMatch> assign_image(const AnchorGrid& grid, std::span<const GroundTruth> truths,
                                           const AssignOptions& options, PredictionAt prediction,
                                           std::pmr::memory_resource* memory);

}  // namespace boxcar::kernels
