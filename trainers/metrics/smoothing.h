// Filters for curves: one finds the operating point, the other smooths the results plot.
#pragma once

#include <span>
#include <vector>

namespace boxcar {

/// Mean over taps = round(2 * fraction * n) / 2 + 1 neighbours (rounded half to even, then divided without
/// remainder), each end repeated taps / 2 times outwards. Gives n values, n + 1 where taps is even; none of
/// none. `fraction` is 0..1.
std::vector<double> box_filter(std::span<const double> y, double fraction);

/// Gaussian of width sigma (in samples, > 0), cut at 4 sigma, the ends mirrored with the end value repeated.
std::vector<double> gaussian_filter(std::span<const double> y, double sigma);

}  // namespace boxcar
