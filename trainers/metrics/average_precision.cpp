#include "boxcar/trainers/metrics/average_precision.h"

#include <algorithm>
#include <numeric>

namespace boxcar {
namespace {

constexpr double kTiny = 1e-16;  // keeps 0/0 at 0
constexpr int kApIntervals = 100;
constexpr double kApStep = 0.01;

/// Rows of the table in falling score order.
std::vector<std::size_t> by_score(const std::vector<float>& conf) {
  std::vector<std::size_t> order(conf.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return conf[a] > conf[b]; });
  return order;
}

/// Recall and precision after each prediction, at one threshold.
struct Cumulative {
  std::vector<double> recall, precision;
};

Cumulative cumulative(const PredictionTable& table, const std::vector<std::size_t>& rows, int level,
                      std::int64_t labels) {
  Cumulative c;
  std::int64_t tp = 0, seen = 0;
  for (const std::size_t row : rows) {
    tp += table.tp[row][level] ? 1 : 0;
    ++seen;
    c.recall.push_back(static_cast<double>(tp) / (static_cast<double>(labels) + kTiny));
    c.precision.push_back(static_cast<double>(tp) / static_cast<double>(seen));
  }
  return c;
}

void fill_curves(const PredictionTable& table, const std::vector<std::size_t>& rows, const Cumulative& c,
                 const Envelope& envelope, ClassCurves& curves) {
  std::vector<double> falling;  // minus the score, so that it rises
  for (const std::size_t row : rows) falling.push_back(-static_cast<double>(table.conf[row]));
  const std::vector<double> axis = curve_axis();
  for (int i = 0; i < kCurvePoints; ++i) {
    const double r = interpolate(-axis[i], falling, c.recall, 0);
    const double p = interpolate(-axis[i], falling, c.precision, 1);
    curves.recall[i] = r;
    curves.precision[i] = p;
    curves.f1[i] = 2 * p * r / (p + r + kTiny);
    curves.precision_over_recall[i] = interpolate(axis[i], envelope.recall, envelope.precision, 1);
  }
}

ClassCurves curves_of(const PredictionTable& table, const std::vector<std::size_t>& rows, int cls,
                      std::int64_t labels) {
  const std::vector<double> zeros(kCurvePoints, 0.0);
  ClassCurves curves{cls, labels, {}, zeros, zeros, zeros, zeros};
  if (rows.empty()) return curves;
  for (int level = 0; level < kIouThresholdCount; ++level) {
    const Cumulative c = cumulative(table, rows, level, labels);
    const Envelope envelope = precision_envelope(c.recall, c.precision);
    curves.ap[level] = average_precision(envelope);
    if (level == 0) fill_curves(table, rows, c, envelope, curves);
  }
  return curves;
}

}  // namespace

std::vector<double> curve_axis() {
  std::vector<double> axis(kCurvePoints);
  for (int i = 0; i < kCurvePoints; ++i) axis[i] = i * (1.0 / (kCurvePoints - 1));
  axis.back() = 1;
  return axis;
}

double interpolate(double x, const std::vector<double>& xp, const std::vector<double>& fp, double left) {
  if (x < xp.front()) return left;
  if (x >= xp.back()) return fp.back();
  const std::size_t next = std::upper_bound(xp.begin(), xp.end(), x) - xp.begin(), j = next - 1;
  const double slope = (fp[next] - fp[j]) / (xp[next] - xp[j]);
  return slope * (x - xp[j]) + fp[j];
}

Envelope precision_envelope(const std::vector<double>& recall, const std::vector<double>& precision) {
  Envelope e{{0.0}, {1.0}};
  e.recall.insert(e.recall.end(), recall.begin(), recall.end());
  e.recall.insert(e.recall.end(), {recall.back(), 1.0});
  e.precision.insert(e.precision.end(), precision.begin(), precision.end());
  e.precision.insert(e.precision.end(), {0.0, 0.0});
  for (std::size_t i = e.precision.size() - 1; i-- > 0;) {
    e.precision[i] = std::max(e.precision[i], e.precision[i + 1]);
  }
  return e;
}

double average_precision(const Envelope& envelope) {
  double area = 0, before = interpolate(0, envelope.recall, envelope.precision, 1);
  for (int i = 1; i <= kApIntervals; ++i) {
    // i * 0.01 and not i / 100: where a drop falls on a point, the last bit decides its side.
    const double x = i == kApIntervals ? 1.0 : i * kApStep;
    const double q = interpolate(x, envelope.recall, envelope.precision, 1);
    area += (before + q) / 2 * kApStep;
    before = q;
  }
  return area;
}

std::vector<ClassCurves> class_curves(const PredictionTable& predictions,
                                      const std::vector<std::int64_t>& labels_per_class) {
  std::vector<std::vector<std::size_t>> rows(labels_per_class.size());
  for (const std::size_t row : by_score(predictions.conf)) {
    const int cls = predictions.cls[row];
    if (cls >= 0 && cls < static_cast<int>(rows.size())) rows[cls].push_back(row);
  }
  std::vector<ClassCurves> all;
  for (std::size_t cls = 0; cls < rows.size(); ++cls) {
    if (labels_per_class[cls] == 0) continue;
    all.push_back(curves_of(predictions, rows[cls], static_cast<int>(cls), labels_per_class[cls]));
  }
  return all;
}

}  // namespace boxcar
