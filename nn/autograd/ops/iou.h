// Overlap of boxes as an op.
#pragma once

#include "boxcar/nn/autograd/value.h"

namespace boxcar::nn {

enum class Iou { iou, giou, diou, ciou };

/// The measure of each pair of boxes: a, b [N,H,W,4] corners x1, y1, x2, y2 in one unit -> [N,H,W,1]; f32. Gradient for
/// both; alpha of CIoU counts as a constant. A box without area is no error; its gradients are large, and 0 where the
/// result's gradient is 0. Formulas: kernels/loss/iou_math.h. Throws ShapeError.
Value iou(const Value& a, const Value& b, Iou kind = Iou::iou);

}  // namespace boxcar::nn
