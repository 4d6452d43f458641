// From a head's raw maps to boxes and probabilities.
#pragma once

#include "boxcar/kernels/loss/detection_levels.h"
#include "boxcar/kernels/loss/distance_math.h"
#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// Every anchor's box in pixels of the network input, not clipped, and its class probabilities.
struct DecodePredictionsArgs {
  DetectionLevels levels{};
  int reg_max = 16;
  BoxFormat format = BoxFormat::kCentreSize;  // (cx, cy, w, h) or (x1, y1, x2, y2)
  TensorView to{};                            // [N,1,A,4+nc] f32 packed, written; levels in order
};
/// Throws ShapeError if the maps or the result do not fit.
void decode_predictions(Stream& stream, const DecodePredictionsArgs& args);

}  // namespace boxcar::kernels
