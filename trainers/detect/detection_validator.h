// Precision, recall and mean average precision of a detector.
#pragma once

#include <memory>
#include <optional>

#include "boxcar/trainers/engine/base_validator.h"
#include "boxcar/trainers/metrics/coco_files.h"
#include "boxcar/trainers/metrics/confusion_matrix.h"
#include "boxcar/trainers/metrics/det_metrics.h"

namespace boxcar {

/// Override update_metrics() and get_stats() for numbers of your own; they reach results.csv and the loggers.
class DetectionValidator : public BaseValidator {
 public:
  void init_metrics() override;
  void update_metrics(const Results& predicted, const Sample& truth) override;
  /// metrics/precision(B), metrics/recall(B), metrics/mAP50(B), metrics/mAP50-95(B); with save_json also mAP_small,
  /// _medium and _large. Fitness is mAP50-95.
  Metrics get_stats() override;
  /// Prints the table; writes predictions.json, curves and confusion matrices where asked for.
  void finish() override;

  /// All about the last run's result.
  const DetMetrics& metrics() const { return metrics_; }

 private:
  std::unique_ptr<DetMetricsBuilder> builder_;
  std::optional<ConfusionMatrix> confusion_;
  std::optional<CocoCollector> coco_;
  CocoSummary coco_summary_;  // of predictions.json: boxes clipped to the picture, as COCO's tools see them
  std::vector<int> categories_;
  std::vector<CocoRow> rows_;
  std::vector<std::pair<std::filesystem::path, std::string>> label_lines_;  // image, text
  DetMetrics metrics_;
};

}  // namespace boxcar
