#include "boxcar/trainers/metrics/confusion_matrix.h"

#include <algorithm>

#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/metrics/box_iou.h"

namespace boxcar {
namespace {

constexpr int kMaxClasses = 10000;
constexpr double kTiny = 1e-9;
constexpr int kNone = -1;

std::vector<Box> above(std::span<const Box> predictions, float conf) {
  std::vector<Box> kept;
  for (const Box& b : predictions) {
    if (b.conf > conf) kept.push_back(b);
  }
  std::stable_sort(kept.begin(), kept.end(), [](const Box& a, const Box& b) { return a.conf > b.conf; });
  return kept;
}

/// The free truth with the highest IoU above `limit`, or kNone.
int best_truth(const Box& prediction, std::span<const TruthBox> truths, const std::vector<char>& taken, float limit) {
  int best = kNone;
  float best_iou = limit;
  for (std::size_t t = 0; t < truths.size(); ++t) {
    if (taken[t]) continue;
    if (const float iou = box_iou(prediction, truths[t]); iou > best_iou) {
      best = static_cast<int>(t);
      best_iou = iou;
    }
  }
  return best;
}

void check_class(const char* what, int cls, int nc) {
  if (cls < 0 || cls >= nc) fail<DataError>("confusion matrix: a {} of class {}, but there are {}", what, cls, nc);
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(int nc, ConfusionOptions options) : nc_(nc), options_(options) {
  if (nc < 1 || nc > kMaxClasses) fail<ArgumentError>("confusion matrix: {} classes, not 1..{}", nc, kMaxClasses);
  cells_.assign(static_cast<std::size_t>(side()) * side(), 0);
}

void ConfusionMatrix::add(std::span<const Box> predictions, std::span<const TruthBox> truths) {
  for (const Box& b : predictions) check_class("prediction", b.cls, nc_);
  for (const TruthBox& t : truths) check_class("label", t.cls, nc_);
  std::vector<char> taken(truths.size(), 0);
  for (const Box& b : above(predictions, options_.conf)) {
    const int t = best_truth(b, truths, taken, options_.iou);
    ++cells_[index(b.cls, t == kNone ? background() : truths[t].cls)];
    if (t != kNone) taken[t] = 1;
  }
  for (std::size_t t = 0; t < truths.size(); ++t) {
    if (!taken[t]) ++cells_[index(background(), truths[t].cls)];
  }
}

std::vector<double> ConfusionMatrix::normalized() const {
  std::vector<double> out(cells_.size());
  for (int truth = 0; truth < side(); ++truth) {
    std::int64_t sum = 0;
    for (int predicted = 0; predicted < side(); ++predicted) sum += at(predicted, truth);
    for (int predicted = 0; predicted < side(); ++predicted) {
      out[index(predicted, truth)] = static_cast<double>(at(predicted, truth)) / (static_cast<double>(sum) + kTiny);
    }
  }
  return out;
}

}  // namespace boxcar
