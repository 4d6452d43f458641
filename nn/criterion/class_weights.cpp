#include "boxcar/nn/criterion/class_weights.h"

#include <cmath>
#include <numeric>

#include "boxcar/runtime/base/error.h"

namespace boxcar::nn {

std::vector<float> class_weights(std::span<const std::int64_t> instances, double power) {
  if (!(power >= 0.0 && power <= 1.0)) fail<ArgumentError>("cls_pw={} is out of range, 0..1 is allowed", power);
  double sum = 0.0;
  int seen = 0;
  std::vector<double> weights;
  for (const std::int64_t count : instances) {
    weights.push_back(count > 0 ? std::pow(1.0 / double(count), power) : 0.0);
    sum += weights.back();
    seen += count > 0;
  }
  if (power == 0.0 || seen == 0) return {};
  const double mean = sum / seen;  // giving it to the others does not change the mean
  std::vector<float> out;
  for (const double w : weights) out.push_back(static_cast<float>(w > 0.0 ? w / mean : 1.0));
  return out;
}

}  // namespace boxcar::nn
