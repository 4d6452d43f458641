// The detection loss: value and gradient with respect to the raw head maps in one op.
//
// Class: binary cross entropy against the soft scores of task-aligned assignment. Box: 1 - CIoU. Distance:
// distribution focal loss (reg_max > 1), or the L1 distance in fractions of the input (reg_max 1).
// Lin et al. (2020): "Generalized focal loss"; Feng et al. (2021): "TOOD"; Zheng et al. (2020): "Distance-IoU loss".
#pragma once

#include "boxcar/kernels/common/op_cost.h"
#include "boxcar/kernels/loss/detection_levels.h"
#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

struct LossGains {
  float box = 7.5f, cls = 0.5f;
  float dfl = 1.5f;  // of the distance term, whichever it is
};

/// Where the gradient of one level goes: shapes of its maps, f32, packed, written (not added to).
struct DetectionLevelGrads {
  TensorView box_dist{}, cls_logits{};
};
using DetectionGrads = SmallVector<DetectionLevelGrads, kMaxLevels>;

struct DetectionLossArgs {
  DetectionLevels levels{};
  int reg_max = 16;
  /// [1,1,M,6] f32: image, class, centre x, centre y, width, height as fractions of the input that the finest level
  /// covers. Rows in any order; a negative image marks padding; M may be 0.
  TensorView targets{};
  LossGains gains{};
  TensorView class_weights{};  // [1,1,1,nc] f32, factors of the class term; without data: none
  AssignOptions assign{};
  DetectionGrads grads{};   // one a level, or empty: value only
  float grad_scale = 1.0f;  // factor of the gradients alone: loss scale, ranks, weight of a branch
  TensorView items{};       // [1,1,1,3] f32: box, class, distance term with gains, as reported. May be without data
  TensorView loss{};        // [1,1,1,3] f32: items times N. May be without data
  TensorView total{};       // [1,1,1,1] f32: sum of the loss, which is what is differentiated. May be without data
};

/// All terms are divided by max(1, sum of all target scores). Sums are made in double, a block of values and an
/// image at a time, and added in that order: the bits do not depend on the number of threads. Throws ShapeError for
/// maps that do not fit, ArgumentError for a topk out of range, DataError for a target row with an image or class out
/// of range. Values that are not finite are not an error; they show in the result.
///
/// CUDA: 8 kernels (9 where topk2 differs from topk); nothing is read back, so a bad target row makes all results NaN
/// instead of throwing. Scratch memory follows from the shapes: 24 bytes an anchor and image, 32 a target row, and
/// a few hundredths of that for partial sums.
void detection_loss(Stream& stream, const DetectionLossArgs& args);
OpCost cost_of(const DetectionLossArgs& args);

struct ScaleLossGradientsArgs {
  DetectionGrads grads{};  // f32, packed
  TensorView factor{};     // [1,1,1,1] f32
};
/// Multiplies gradients by a number that lies on the device, as backward passes do. Where it is 1, as it almost always
/// is, no gradient is read or written. Throws ShapeError.
void scale_loss_gradients(Stream& stream, const ScaleLossGradientsArgs& args);
/// Of a factor of 1.
inline OpCost cost_of(const ScaleLossGradientsArgs& args) { return {bytes_of(args.factor), 0}; }

}  // namespace boxcar::kernels
