// Which anchors answer for which objects: task-aligned assignment as an op of its own.
//
// Without gradient: everything it returns is a constant of the loss. Feng et al.: "TOOD: task-aligned one-stage
// object detection" (2021), with widened candidate regions for small boxes.
#pragma once

#include "boxcar/kernels/loss/detection_levels.h"
#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// Dense result over all A anchors, levels in order. A view without data is not wanted and not written. Background
/// anchors have weight, scores and foreground 0, gt_index 0, and box and label of their image's first object (zeros in
/// an image without objects), so that any finite loss of them is removed by the weight.
struct AssignResult {
  TensorView target_boxes{};   // [N,1,A,4] f32, corners in pixels
  TensorView target_scores{};  // [N,1,A,nc] f32, soft score at the label's column, 0 elsewhere
  TensorView weight{};         // [N,1,A,1] f32, the soft score: weight of the anchor's box terms
  TensorView target_ltrb{};    // [N,1,A,4] f32, distances anchor to target sides in cells, not clamped
  TensorView labels{};         // [N,1,A,1] i32
  TensorView foreground{};     // [N,1,A,1] u8; 1 also for anchors held with score 0
  TensorView gt_index{};       // [N,1,A,1] i32, place of the object within its image's rows
  TensorView norm{};           // [1,1,1,1] f32, max(1, sum of all scores)
};

/// Assignment from a head's raw maps, exactly as detection_loss does it.
struct DetectionAssignArgs {
  DetectionLevels levels{};
  int reg_max = 16;
  TensorView targets{};  // [1,1,M,6] f32: image, class, centre x, centre y, width, height (fractions of the input)
  AssignOptions options{};
  AssignResult result{};
};
/// Throws ShapeError, ArgumentError or DataError as detection_loss does.
void detection_assign(Stream& stream, const DetectionAssignArgs& args);

/// Assignment from decoded predictions.
struct TaskAlignedAssignArgs {
  AnchorGrid grid{};           // A anchors
  TensorView boxes_xyxy{};     // [N,1,A,4] f32 packed, pixels
  TensorView probabilities{};  // [N,1,A,nc] f32 packed
  TensorView targets{};        // [1,1,M,6] f32: image, class, x1, y1, x2, y2 in pixels
  AssignOptions options{};
  AssignResult result{};
};
/// Throws ShapeError, ArgumentError or DataError as detection_loss does.
void task_aligned_assign(Stream& stream, const TaskAlignedAssignArgs& args);

}  // namespace boxcar::kernels
