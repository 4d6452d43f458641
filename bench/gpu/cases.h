// What is measured: ops at the shapes that they have in YOLO11 n and m at 640 pixels.
#pragma once

#include <vector>

#include "measure.h"

namespace boxcar::bench {

/// Dense and depthwise convolutions, each pass, and an f32 matrix product.
std::vector<Case> convolution_cases(const Settings& settings, DType dtype);
/// Ops that only move memory: norms with activation, upsampling, pooling, sums, copies.
std::vector<Case> memory_cases(const Settings& settings, DType dtype);
/// Render, loss, gradient norm and optimizer: once a step.
std::vector<Case> step_cases(const Settings& settings, DType dtype);

}  // namespace boxcar::bench
