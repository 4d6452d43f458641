#include "boxcar/trainers/detect/detection_validator.h"

#include "boxcar/trainers/engine/console_lines.h"
#include "boxcar/trainers/metrics/text_results.h"
#include "boxcar/trainers/plots/charts.h"

namespace boxcar {

void DetectionValidator::init_metrics() {
  const int nc = static_cast<int>(input().names->size());
  builder_ = std::make_unique<DetMetricsBuilder>(nc);
  confusion_.reset();
  coco_.reset();
  rows_.clear();
  label_lines_.clear();
  if (plots()) confusion_.emplace(nc, ConfusionOptions{.conf = static_cast<float>(args().conf.value_or(0.001))});
  if (args().save_json && !training()) {
    coco_.emplace(nc);
    categories_ = is_coco_list(input().image_list) ? coco80_to_91() : one_based_categories(nc);
  }
}

void DetectionValidator::update_metrics(const Results& predicted, const Sample& truth) {
  const NetworkBoxes& boxes = network_boxes();
  builder_->add(truth.path.filename().string(), boxes.predictions, boxes.truths);
  if (confusion_) confusion_->add(boxes.predictions, boxes.truths);
  if (coco_) {
    std::vector<TruthBox> truths;
    const float w = static_cast<float>(predicted.width), h = static_cast<float>(predicted.height);
    for (const BoxLabel& b : truth.boxes) {
      truths.push_back({(b.xc - b.w / 2) * w, (b.yc - b.h / 2) * h, (b.xc + b.w / 2) * w, (b.yc + b.h / 2) * h, b.cls});
    }
    coco_->add(predicted.boxes, truths);
    const std::vector<CocoRow> rows = coco_rows(truth.path, predicted.boxes, categories_);
    rows_.insert(rows_.end(), rows.begin(), rows.end());
  }
  if (args().save_txt && !training()) {
    label_lines_.emplace_back(truth.path,
                              label_lines(predicted.boxes, predicted.width, predicted.height, args().save_conf));
  }
}

Metrics DetectionValidator::get_stats() {
  metrics_ = builder_->build();
  Metrics result = metrics_.results();
  if (coco_) {
    coco_summary_ = coco_->evaluate();
    result.values.emplace_back("metrics/mAP_small(B)", coco_summary_.ap_small);
    result.values.emplace_back("metrics/mAP_medium(B)", coco_summary_.ap_medium);
    result.values.emplace_back("metrics/mAP_large(B)", coco_summary_.ap_large);
  }
  return result;
}

void DetectionValidator::finish() {
  const bool per_class = !training() && args().verbose && input().names->size() > 1;
  for (const std::string& row : validation_rows(metrics_, *input().names, per_class)) input().log.info("{}", row);
  if (training()) return;
  const Times& t = speed();
  input().log.info("{}", val_speed_line(t.preprocess, t.inference, t.loss, t.postprocess));
  if (coco_) {
    write_predictions_json(input().save_dir / "predictions.json", rows_);
    input().log.info("predictions.json by COCO's rules: mAP50 {:.4f}, mAP50-95 {:.4f}", coco_summary_.ap50,
                     coco_summary_.ap);
  }
  if (!label_lines_.empty()) {
    std::vector<std::filesystem::path> images;
    for (const auto& [image, lines] : label_lines_) images.push_back(image);
    const std::vector<std::string> stems = label_stems(images);
    std::filesystem::remove_all(input().save_dir / "labels");
    for (std::size_t i = 0; i < stems.size(); ++i) {
      append_label_file(input().save_dir / "labels" / (stems[i] + ".txt"), label_lines_[i].second);
    }
  }
  if (!plots()) return;
  const std::filesystem::path& folder = input().save_dir;
  for (const Drawn& drawn :
       {plot_curves(metrics_, *input().names, folder),
        plot_confusion_matrix(*confusion_, *input().names, false, folder / "confusion_matrix.png"),
        plot_confusion_matrix(*confusion_, *input().names, true, folder / "confusion_matrix_normalized.png")}) {
    if (!drawn) {
      input().log.warning("charts are left out: {}", drawn.reason);
      break;
    }
  }
}

}  // namespace boxcar
