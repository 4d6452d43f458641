// Finds objects in images.
#pragma once

#include "boxcar/trainers/engine/base_predictor.h"

namespace boxcar {

/// Override preprocess(), postprocess() and write_results() to change what goes in, comes out and is kept.
class DetectionPredictor : public BasePredictor {
 public:
  DetectionPredictor() = default;
};

}  // namespace boxcar
