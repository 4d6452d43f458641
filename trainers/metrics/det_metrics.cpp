#include "boxcar/trainers/metrics/det_metrics.h"

#include <algorithm>
#include <cmath>

#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/metrics/smoothing.h"

namespace boxcar {
namespace {

constexpr double kTiny = 1e-16;
constexpr double kOperatingSmoothing = 0.1;
constexpr int kAp75 = 5;  // kIouThresholds[5] is 0.75

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

ImageMetrics image_metrics(std::string name, const std::vector<TruePositives>& verdicts, std::int64_t labels) {
  ImageMetrics m{.name = std::move(name)};
  const auto count = static_cast<std::int64_t>(verdicts.size());
  if (count == 0 && labels == 0) {  // nothing to find, nothing found
    m.precision = m.recall = m.f1 = 1;
    return m;
  }
  m.tp = std::count_if(verdicts.begin(), verdicts.end(), [](const TruePositives& v) { return v[0]; });
  m.fp = count - m.tp;
  m.fn = labels - m.tp;
  m.precision = ratio(m.tp, count);
  m.recall = ratio(m.tp, labels);
  const double sum = m.precision + m.recall;
  m.f1 = sum > 0 ? 2 * m.precision * m.recall / sum : 0;
  return m;
}

/// Where the mean F1, smoothed, is highest; the first such point.
int operating_point(const std::vector<ClassCurves>& curves) {
  std::vector<double> mean(kCurvePoints, 0.0);
  for (const ClassCurves& c : curves) {
    for (int i = 0; i < kCurvePoints; ++i) mean[i] += c.f1[i];
  }
  for (double& v : mean) v /= static_cast<double>(curves.size());
  const std::vector<double> smooth = box_filter(mean, kOperatingSmoothing);
  return static_cast<int>(std::max_element(smooth.begin(), smooth.end()) - smooth.begin());
}

double mean_ap(const ClassCurves& c) {
  double sum = 0;
  for (const double ap : c.ap) sum += ap;
  return sum / kIouThresholdCount;
}

ClassMetrics class_metrics(const ClassCurves& c, int point, std::int64_t images) {
  ClassMetrics m{.cls = c.cls, .images = images, .labels = c.labels};
  m.precision = c.precision[point];
  m.recall = c.recall[point];
  m.f1 = c.f1[point];
  m.ap50 = c.ap[0];
  m.ap75 = c.ap[kAp75];
  m.ap = mean_ap(c);
  const double tp = std::nearbyint(m.recall * static_cast<double>(c.labels));
  m.tp = static_cast<std::int64_t>(tp);
  m.fp = static_cast<std::int64_t>(std::nearbyint(tp / (m.precision + kTiny) - tp));
  return m;
}

template <class F>
double mean_over(const std::vector<ClassMetrics>& classes, F value) {
  double sum = 0;
  for (const ClassMetrics& c : classes) sum += value(c);
  return classes.empty() ? 0 : sum / static_cast<double>(classes.size());
}

}  // namespace

double Metrics::operator[](std::string_view name) const {
  if (name == "fitness") return fitness;
  std::string known;
  for (const auto& [key, value] : values) {
    if (key == name) return value;
    known += key + ", ";
  }
  fail<ArgumentError>("no metric is called '{}'; there are {}fitness", name, known);
}

double DetMetrics::operating_confidence() const {
  return operating_index ? static_cast<double>(*operating_index) / (kCurvePoints - 1) : 0;
}

double DetMetrics::fitness() const { return std::isnan(map) ? 0 : map; }

Metrics DetMetrics::results() const {
  return {{{"metrics/precision(B)", precision},
           {"metrics/recall(B)", recall},
           {"metrics/mAP50(B)", map50},
           {"metrics/mAP50-95(B)", map}},
          fitness()};
}

DetMetricsBuilder::DetMetricsBuilder(int nc) : nc_(nc) {
  if (nc < 1) fail<ArgumentError>("metrics: {} classes; at least one is needed", nc);
  labels_.assign(nc, 0);
  images_with_.assign(nc, 0);
}

void DetMetricsBuilder::add(std::string name, std::span<const Box> predictions, std::span<const TruthBox> truths) {
  std::vector<char> seen(nc_, 0);
  for (const TruthBox& t : truths) {
    if (t.cls < 0 || t.cls >= nc_) {
      fail<DataError>("{}: a label of class {}, but there are {} classes (0..{})", name, t.cls, nc_, nc_ - 1);
    }
    seen[t.cls] = 1;
  }
  for (const TruthBox& t : truths) ++labels_[t.cls];
  for (int c = 0; c < nc_; ++c) images_with_[c] += seen[c];
  const std::vector<TruePositives> verdicts = match_predictions(predictions, truths);
  predictions_.tp.insert(predictions_.tp.end(), verdicts.begin(), verdicts.end());
  for (const Box& b : predictions) {
    predictions_.conf.push_back(b.conf);
    predictions_.cls.push_back(b.cls);
  }
  images_.push_back(image_metrics(std::move(name), verdicts, static_cast<std::int64_t>(truths.size())));
}

DetMetrics DetMetricsBuilder::build() const {
  DetMetrics m;
  m.images = images_;
  m.image_count = static_cast<std::int64_t>(images_.size());
  for (const std::int64_t n : labels_) m.label_count += n;
  m.curves = class_curves(predictions_, labels_);
  if (!m.curves.empty()) {
    m.operating_index = operating_point(m.curves);
    for (const ClassCurves& c : m.curves) {
      m.classes.push_back(class_metrics(c, *m.operating_index, images_with_[c.cls]));
    }
  }
  m.precision = mean_over(m.classes, [](const ClassMetrics& c) { return c.precision; });
  m.recall = mean_over(m.classes, [](const ClassMetrics& c) { return c.recall; });
  m.f1 = mean_over(m.classes, [](const ClassMetrics& c) { return c.f1; });
  m.map50 = mean_over(m.classes, [](const ClassMetrics& c) { return c.ap50; });
  m.map75 = mean_over(m.classes, [](const ClassMetrics& c) { return c.ap75; });
  m.map = mean_over(m.classes, [](const ClassMetrics& c) { return c.ap; });
  m.maps.assign(nc_, m.map);
  for (const ClassMetrics& c : m.classes) m.maps[c.cls] = c.ap;
  return m;
}

}  // namespace boxcar
