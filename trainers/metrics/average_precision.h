// Average precision and the curves of precision and recall, class by class.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "boxcar/trainers/metrics/matching.h"

namespace boxcar {

/// Points of a drawn curve, equally spaced over [0, 1].
inline constexpr int kCurvePoints = 1000;
/// curve_axis()[i] = i / 999.
std::vector<double> curve_axis();

/// Piecewise linear interpolation of (xp, fp), xp not falling and not empty. Left of xp: `left`; right of
/// it: the last value. Where xp repeats, the value at that x is that of the last repeat.
double interpolate(double x, const std::vector<double>& xp, const std::vector<double>& fp, double left);

/// The curve that AP integrates: (0, 1) put in front, (last recall, 0) and (1, 0) behind, precision
/// replaced by the highest precision from there on.
struct Envelope {
  std::vector<double> recall, precision;
};
/// Of cumulative recall and precision in falling score order; at least one value each.
Envelope precision_envelope(const std::vector<double>& recall, const std::vector<double>& precision);

/// Area below the envelope: trapezoids over 101 points that are interpolated linearly.
/// A perfect detector has 0.995, since the curve is already 0 at the last recall.
double average_precision(const Envelope& envelope);

/// A class with labels. Curves have kCurvePoints values; all 0 where the class has no predictions.
struct ClassCurves {
  int cls = 0;
  std::int64_t labels = 0;
  std::array<double, kIouThresholdCount> ap{};  // one an IoU threshold
  std::vector<double> precision, recall, f1;    // over confidence, at IoU 0.5
  std::vector<double> precision_over_recall;    // the envelope, at IoU 0.5
};

/// All predictions of a data set, one entry each.
struct PredictionTable {
  std::vector<TruePositives> tp;
  std::vector<float> conf;  // 0..1, in any order
  std::vector<int> cls;
};

/// Curves of every class with labels, in ascending order. labels_per_class[c] counts class c's labels.
/// Equal scores keep the order of the table.
std::vector<ClassCurves> class_curves(const PredictionTable& predictions,
                                      const std::vector<std::int64_t>& labels_per_class);

}  // namespace boxcar
