// labels.jpg: what a data set's labels look like.
#pragma once

#include <span>
#include <string>

#include "boxcar/data/dataset/sample.h"

namespace boxcar {

/// 1600 x 1600 pixels, four panels: labels a class with counts (names below 30 classes); the first 500 boxes,
/// centred on one point; where centres lie; which sizes occur (50 x 50 bins, white to blue). Labels of a class
/// not in 0..nc-1 are left out. Throws ArgumentError if nc < 1.
Image labels_picture(std::span<const BoxLabel> labels, std::span<const std::string> names, int nc);

}  // namespace boxcar
