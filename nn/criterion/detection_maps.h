// The outputs of a detection model as the kernels take them.
#pragma once

#include <vector>

#include "boxcar/kernels/loss/detection_levels.h"
#include "boxcar/nn/modules/detect.h"

namespace boxcar {

/// Box and class map of each level with its stride. Throws ModelError if there are not two maps a stride.
kernels::DetectionLevels detection_levels(const nn::Outputs& outputs, const std::vector<int>& strides);

}  // namespace boxcar
