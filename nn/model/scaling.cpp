#include <algorithm>
#include <cmath>

#include "boxcar/nn/model/model_spec.h"

namespace boxcar {

int scaled_repeats(int n, double depth) {
  if (n <= 1) return n;
  return std::max(static_cast<int>(std::nearbyint(n * depth)), 1);  // the default rounding mode is half to even
}

int scaled_channels(int c, double width, double max_channels) {
  return static_cast<int>(std::ceil(std::min<double>(c, max_channels) * width / 8)) * 8;
}

int auto_padding(int kernel, int dilation) { return (dilation * (kernel - 1) + 1) / 2; }

}  // namespace boxcar
