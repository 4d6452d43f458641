// Overlap of pairs of boxes as an op with gradient for both.
#pragma once

#include "boxcar/kernels/loss/iou_math.h"
#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// y = the measure of each pair; a, b [..,4] f32 corners x1, y1, x2, y2 in one unit, y [..,1]. Formulas and edges:
/// iou_math.h. Throws ShapeError.
struct BoxIouArgs {
  IouKind kind = IouKind::kIou;
  TensorView a{}, b{}, y{};
};
void box_iou(Stream& stream, const BoxIouArgs& args);

/// da, db [..,4]: the gradient times dy; one without data is not wanted. 0 where dy is 0, whatever the slope, so that
/// a degenerate box that does not count does no harm.
struct BoxIouBackwardArgs {
  IouKind kind = IouKind::kIou;
  TensorView a{}, b{}, dy{}, da{}, db{};
};
void box_iou_backward(Stream& stream, const BoxIouBackwardArgs& args);

}  // namespace boxcar::kernels
