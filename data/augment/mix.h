// Joining a training picture with another one: mixup and cutmix.
//
// Zhang, Cisse, Dauphin, Lopez-Paz: "mixup" (2018); Yun et al.: "CutMix" (2019).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "boxcar/data/augment/objects.h"
#include "boxcar/runtime/random/philox.h"

namespace boxcar {

/// From the beta distribution; a, b > 0. Two gamma draws (Marsaglia, Tsang: "A simple method for
/// generating gamma variables", 2000).
double draw_beta(double a, double b, Random& random);

/// The sample's share of a mixup: Beta(32, 32).
double draw_mixup_ratio(Random& random);

/// Pixels x1 <= x < x2, y1 <= y < y2.
struct CutArea {
  int x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};

/// A rectangle with sides sqrt(U(0, 1)) of the picture's about a uniform centre, cut to the picture.
CutArea draw_cut_area(int width, int height, Random& random);

/// One of three drawn rectangles, uniform among those that touch no box; none if all do.
std::optional<CutArea> choose_cut_area(int width, int height, std::span<const PixelBox> boxes, Random& random);

/// The boxes of which at least a tenth lies in the area (of objects with outlines: a hundredth), clipped to it.
std::vector<PixelBox> boxes_in_cut(const PixelObjects& objects, const CutArea& area);

}  // namespace boxcar
