// Factors of the class term that raise rare classes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace boxcar::nn {

/// weight = (1 / count)^power for classes that occur, the mean of those for the others, then divided by their mean.
/// power 0..1 (argument cls_pw). Empty (no weights) where power is 0 or nothing was counted. Throws ArgumentError for a
/// power out of range.
std::vector<float> class_weights(std::span<const std::int64_t> instances, double power);

}  // namespace boxcar::nn
