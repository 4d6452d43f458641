// The numbers of a validation: collected image by image, then summed up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "boxcar/trainers/metrics/average_precision.h"

namespace boxcar {

/// What a validator returns: numbers by name, in the order of results.csv, and the one that ranks models.
struct Metrics {
  std::vector<std::pair<std::string, double>> values;
  double fitness = 0;
  /// Throws ArgumentError for a name that is not there, listing those that are. "fitness" is one too.
  double operator[](std::string_view name) const;
};

/// Precision, recall and F1 at IoU 0.5 over all predictions of one image.
struct ImageMetrics {
  std::string name;
  std::int64_t tp = 0, fp = 0, fn = 0;
  double precision = 0, recall = 0, f1 = 0;
};

/// One class with labels, at the operating point.
struct ClassMetrics {
  int cls = 0;
  std::int64_t images = 0, labels = 0;  // images that contain it, its labels
  double precision = 0, recall = 0, f1 = 0;
  double ap50 = 0, ap75 = 0, ap = 0;  // ap: mean over the ten thresholds
  std::int64_t tp = 0, fp = 0;        // that precision and recall amount to
};

/// Everything about a validation's result. Means run over classes with labels only; a class with
/// labels and no predictions counts as 0, one with predictions alone does not count.
struct DetMetrics {
  double precision = 0, recall = 0, f1 = 0, map50 = 0, map75 = 0, map = 0;
  std::vector<double> maps;           // [nc]; `map` for a class without labels
  std::vector<ClassMetrics> classes;  // ascending
  std::vector<ClassCurves> curves;    // of the same classes
  std::vector<ImageMetrics> images;   // in the order they were added
  std::int64_t image_count = 0, label_count = 0;
  std::optional<int> operating_index;   // point of the curves; none without labels
  double operating_confidence() const;  // 0 without labels

  /// mAP50-95, 0 for NaN.
  double fitness() const;
  /// metrics/precision(B), metrics/recall(B), metrics/mAP50(B), metrics/mAP50-95(B), and the fitness.
  Metrics results() const;
};

/// Collects predictions and labels. The order of images matters for equal scores only.
class DetMetricsBuilder {
 public:
  /// Throws ArgumentError if nc < 1.
  explicit DetMetricsBuilder(int nc);

  /// One image, in pixels of the network's input. Predictions in falling score order. Throws DataError
  /// for a label whose class is not below nc.
  void add(std::string name, std::span<const Box> predictions, std::span<const TruthBox> truths);
  DetMetrics build() const;

 private:
  int nc_;
  PredictionTable predictions_;
  std::vector<std::int64_t> labels_, images_with_;  // [nc]
  std::vector<ImageMetrics> images_;
};

}  // namespace boxcar
