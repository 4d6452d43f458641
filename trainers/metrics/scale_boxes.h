// Boxes from the network's letterboxed input back to the original image.
#pragma once

#include <span>

#include "boxcar/trainers/results/box.h"

namespace boxcar {

/// How an original image was placed in the network's input: x_net = x * gain_w + pad_x, and so for y.
struct Placement {
  double gain_h = 1, gain_w = 1;
  double pad_x = 0, pad_y = 0;  // pixels of the network's input
};

/// Height and width in pixels.
struct PictureSize {
  int height = 0, width = 0;
};

/// The placement of an image that was letterboxed without a record of it: one gain, the resized sides
/// rounded (half to even, at least 1 pixel), the margin halved with the odd pixel right and below.
/// Sides must be positive (ArgumentError).
Placement letterbox_placement(PictureSize network, PictureSize original);

/// Undoes `placement` and clips to the original image, in place.
void scale_boxes(std::span<Box> boxes, const Placement& placement, PictureSize original);

}  // namespace boxcar
