#include "boxcar/trainers/metrics/scale_boxes.h"

#include <algorithm>
#include <cmath>

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

// std::nearbyint rounds half to even in the default rounding mode.
double resized_side(int side, double gain) { return std::max(std::nearbyint(side * gain), 1.0); }

// The 0.1 decides where the odd pixel of a margin goes.
double pad_before(int outer, double inner) { return std::nearbyint((outer - inner) / 2 - 0.1); }

}  // namespace

Placement letterbox_placement(PictureSize network, PictureSize original) {
  if (std::min({network.height, network.width, original.height, original.width}) < 1) {
    fail<ArgumentError>("letterbox_placement: sizes {}x{} and {}x{} must be positive", network.height, network.width,
                        original.height, original.width);
  }
  const double gain = std::min(double(network.height) / original.height, double(network.width) / original.width);
  const double height = resized_side(original.height, gain), width = resized_side(original.width, gain);
  return {height / original.height, width / original.width, pad_before(network.width, width),
          pad_before(network.height, height)};
}

void scale_boxes(std::span<Box> boxes, const Placement& p, PictureSize original) {
  const auto back = [](float value, double pad, double gain, int side) {
    return std::clamp((value - static_cast<float>(pad)) / static_cast<float>(gain), 0.0f, static_cast<float>(side));
  };
  for (Box& b : boxes) {
    b.x1 = back(b.x1, p.pad_x, p.gain_w, original.width);
    b.x2 = back(b.x2, p.pad_x, p.gain_w, original.width);
    b.y1 = back(b.y1, p.pad_y, p.gain_h, original.height);
    b.y2 = back(b.y2, p.pad_y, p.gain_h, original.height);
  }
}

}  // namespace boxcar
