// The raw maps of a detection head and the table of ground truths, as ops take them.
#pragma once

#include <memory_resource>
#include <vector>

#include "boxcar/kernels/assign/image_assigner.h"
#include "boxcar/kernels/common/small_vector.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// One level of a detection head, finest first; both maps f32 and packed.
struct DetectionLevel {
  TensorView box_dist{};    // [N,h,w,4*reg_max]; channel = side * reg_max + bin; sides left, top, right, bottom
  TensorView cls_logits{};  // [N,h,w,nc]
  float stride = 0.0f;      // pixels of the network input a cell
};
using DetectionLevels = SmallVector<DetectionLevel, kMaxLevels>;

/// Checked levels and where each anchor's values lie in them.
class DetectionMaps {
 public:
  /// Throws ShapeError, naming the op, the level and what was wanted, if the levels do not fit each other or
  /// reg_max is not 1..64.
  DetectionMaps(const char* op, const DetectionLevels& levels, int reg_max);

  const AnchorGrid& grid() const { return grid_; }
  const DetectionLevels& levels() const { return levels_; }
  int images() const { return levels_[0].cls_logits.n; }
  int classes() const { return levels_[0].cls_logits.c; }
  int reg_max() const { return reg_max_; }

  /// Index of an anchor's pixel in the maps of its level.
  std::int64_t pixel(int image, const AnchorPoint& p) const { return image * grid_.levels()[p.level].cells() + p.cell; }
  const float* box_dist(int image, const AnchorPoint& p) const {
    return levels_[p.level].box_dist.as<const float>() + pixel(image, p) * 4 * reg_max_;
  }
  const float* logits(int image, const AnchorPoint& p) const {
    return levels_[p.level].cls_logits.as<const float>() + pixel(image, p) * classes();
  }
  /// Decoded box in cells of the anchor's level.
  BoxF box_in_cells(int image, const AnchorPoint& p) const;
  /// Box in pixels and probability of one class.
  AnchorPrediction prediction(int image, std::int64_t anchor, int label) const;

 private:
  DetectionLevels levels_{};
  AnchorGrid grid_{};
  int reg_max_;
};

/// Objects of every image of a batch; temporary.
using GroundTruths = std::pmr::vector<std::pmr::vector<GroundTruth>>;

/// Throws ShapeError for a table that is not [1,1,M,6] f32.
void check_targets(const char* op, const TensorView& targets);

/// Ground truths of every image, in the order of the table. Rows are (image, class, ...) with a box of four
/// numbers: centre, width, height as fractions of the input where `normalised`, corners in pixels otherwise.
/// A row whose image is negative is padding. Throws as check_targets, and
/// DataError, naming the row, for an image or class that is no integer in range. Host memory only.
GroundTruths read_targets(Stream& stream, const char* op, const TensorView& targets, int images, int classes,
                          const AnchorGrid& grid, bool normalised);

/// Throws ArgumentError unless both cuts keep 1..kMaxTopk anchors.
void check_options(const char* op, const AssignOptions& options);

}  // namespace boxcar::kernels
