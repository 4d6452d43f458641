#include "boxcar/trainers/metrics/smoothing.h"

#include <algorithm>
#include <cmath>

namespace boxcar {

std::vector<double> box_filter(std::span<const double> y, double fraction) {
  if (y.empty()) return {};
  const auto n = static_cast<long>(y.size());
  const long taps = std::lround(std::nearbyint(2 * fraction * static_cast<double>(n))) / 2 + 1;
  const double weight = 1.0 / static_cast<double>(taps);
  std::vector<double> out(n + 2 * (taps / 2) - taps + 1);
  for (long i = 0; i < static_cast<long>(out.size()); ++i) {
    // A plain sum, no running one: equal neighbourhoods must give equal bits for the arg max.
    double sum = 0;
    for (long k = 0; k < taps; ++k) sum += y[std::clamp(i + k - taps / 2, 0L, n - 1)] * weight;
    out[i] = sum;
  }
  return out;
}

std::vector<double> gaussian_filter(std::span<const double> y, double sigma) {
  const auto n = static_cast<long>(y.size());
  const auto radius = static_cast<long>(4 * sigma + 0.5);
  std::vector<double> weights(2 * radius + 1);
  double total = 0;
  for (long i = -radius; i <= radius; ++i) {
    weights[i + radius] = std::exp(-0.5 * (i / sigma) * (i / sigma));
    total += weights[i + radius];
  }
  const auto mirrored = [&](long i) {
    i = ((i % (2 * n)) + 2 * n) % (2 * n);
    return y[i < n ? i : 2 * n - 1 - i];
  };
  std::vector<double> out(n);
  for (long i = 0; i < n; ++i) {
    double sum = 0;
    for (long k = -radius; k <= radius; ++k) sum += weights[k + radius] / total * mirrored(i + k);
    out[i] = sum;
  }
  return out;
}

}  // namespace boxcar
