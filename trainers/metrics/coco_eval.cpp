#include "boxcar/trainers/metrics/coco_eval.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace boxcar {
namespace {

constexpr int kThresholds = 10;
constexpr int kRecallPoints = 101;
constexpr int kMaxDetections = 100;
constexpr double kUnset = -1;
// Truths are met at an IoU of 1 even if rounding made it a little less.
constexpr double kAlmostOne = 1 - 1e-10;

struct AreaRange {
  double low, high;
  bool holds(double area) const { return area >= low && area <= high; }
};
constexpr AreaRange kAll{0, 1e10}, kSmall{0, 32.0 * 32}, kMedium{32.0 * 32, 96.0 * 96}, kLarge{96.0 * 96, 1e10};

double threshold(int level) { return 0.5 + level * (0.45 / 9); }

/// Truths and detections of one category in one image, detections in falling score order.
struct Cell {
  std::vector<const CocoTruth*> truths;
  std::vector<const CocoDetection*> detections;
  std::vector<double> iou;  // [detections][truths]
};
/// Cells of one category in the order of images.
using Cells = std::map<std::int64_t, Cell>;

double intersection_over_union(const CocoBox& d, const CocoBox& t, bool crowd) {
  const double w = std::min(d[0] + d[2], t[0] + t[2]) - std::max(d[0], t[0]);
  const double h = std::min(d[1] + d[3], t[1] + t[3]) - std::max(d[1], t[1]);
  if (!(w > 0 && h > 0)) return 0;
  const double inter = w * h, detected = d[2] * d[3];
  return inter / (crowd ? detected : detected + t[2] * t[3] - inter);
}

void prepare(Cell& cell) {
  std::stable_sort(cell.detections.begin(), cell.detections.end(),
                   [](const auto* a, const auto* b) { return a->score > b->score; });
  if (cell.detections.size() > kMaxDetections) cell.detections.resize(kMaxDetections);
  for (const CocoDetection* d : cell.detections) {
    for (const CocoTruth* t : cell.truths) cell.iou.push_back(intersection_over_union(d->bbox, t->bbox, t->crowd));
  }
}

std::map<int, Cells> cells_by_category(const CocoGround& ground, const std::vector<CocoDetection>& detections) {
  std::map<int, Cells> all;
  for (const int category : ground.categories) all[category];
  const std::set<std::int64_t> images(ground.images.begin(), ground.images.end());
  const auto cell_of = [&](const auto& item) -> Cell* {
    const auto found = all.find(item.category);
    return found == all.end() || !images.contains(item.image) ? nullptr : &found->second[item.image];
  };
  for (const CocoTruth& t : ground.truths) {
    if (Cell* cell = cell_of(t)) cell->truths.push_back(&t);
  }
  for (const CocoDetection& d : detections) {
    if (Cell* cell = cell_of(d)) cell->detections.push_back(&d);
  }
  for (auto& [category, cells] : all) {
    for (auto& [image, cell] : cells) prepare(cell);
  }
  return all;
}

enum class Verdict : char { kWrong, kRight, kIgnored };

/// Truths of a cell for one area range: those that count first, in their order.
struct Truths {
  std::vector<int> order;
  std::vector<char> ignored;  // by position in `order`
  int counted = 0;
};

Truths truths_in(const Cell& cell, const AreaRange& range) {
  Truths out;
  for (const bool ignored : {false, true}) {
    for (std::size_t t = 0; t < cell.truths.size(); ++t) {
      if ((cell.truths[t]->crowd || !range.holds(cell.truths[t]->area)) != ignored) continue;
      out.order.push_back(static_cast<int>(t));
      out.ignored.push_back(ignored ? 1 : 0);
      out.counted += ignored ? 0 : 1;
    }
  }
  return out;
}

/// Position in `truths.order` of what detection d takes, or -1. A truth that counts is preferred to any that
/// does not; the last of equal IoUs wins.
int find_match(const Cell& cell, const Truths& truths, const std::vector<char>& taken, std::size_t d, double least) {
  int match = -1;
  double best = least;
  for (std::size_t p = 0; p < truths.order.size(); ++p) {
    const int t = truths.order[p];
    if (taken[p] && !cell.truths[t]->crowd) continue;
    if (match >= 0 && !truths.ignored[match] && truths.ignored[p]) break;
    const double iou = cell.iou[d * cell.truths.size() + t];
    if (iou < best) continue;
    best = iou;
    match = static_cast<int>(p);
  }
  return match;
}

/// Verdicts on a cell's detections at one threshold.
std::vector<Verdict> judge(const Cell& cell, const Truths& truths, const AreaRange& range, int level) {
  std::vector<char> taken(truths.order.size(), 0);
  std::vector<Verdict> verdicts;
  for (std::size_t d = 0; d < cell.detections.size(); ++d) {
    const int match = find_match(cell, truths, taken, d, std::min(threshold(level), kAlmostOne));
    if (match >= 0) {
      taken[match] = 1;
      verdicts.push_back(truths.ignored[match] ? Verdict::kIgnored : Verdict::kRight);
    } else {
      const CocoBox& b = cell.detections[d]->bbox;
      verdicts.push_back(range.holds(b[2] * b[3]) ? Verdict::kWrong : Verdict::kIgnored);
    }
  }
  return verdicts;
}

struct Judged {
  double score;
  Verdict verdict;
};

/// Precision at 101 recalls (their mean is AP) and the last recall.
struct Measure {
  double ap = kUnset, recall = kUnset;
};

Measure measure(std::vector<Judged> judged, int truths) {
  std::stable_sort(judged.begin(), judged.end(), [](const Judged& a, const Judged& b) { return a.score > b.score; });
  std::vector<double> recall, precision;
  double tp = 0, fp = 0;
  for (const Judged& j : judged) {
    tp += j.verdict == Verdict::kRight ? 1 : 0;
    fp += j.verdict == Verdict::kWrong ? 1 : 0;
    recall.push_back(tp / truths);
    precision.push_back(tp / (tp + fp + std::numeric_limits<double>::epsilon()));
  }
  for (std::size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  double sum = 0;
  for (int i = 0; i < kRecallPoints; ++i) {
    const double least = i == kRecallPoints - 1 ? 1.0 : i * 0.01;
    const auto at = std::lower_bound(recall.begin(), recall.end(), least) - recall.begin();
    if (at < static_cast<std::ptrdiff_t>(precision.size())) sum += precision[at];
  }
  return {sum / kRecallPoints, recall.empty() ? 0 : recall.back()};
}

/// At each threshold, for detections of one category; unset where no truth counts.
std::array<Measure, kThresholds> measure_category(const Cells& cells, const AreaRange& range, int max_detections) {
  int counted = 0;
  std::array<std::vector<Judged>, kThresholds> judged;
  for (const auto& [image, cell] : cells) {
    const Truths truths = truths_in(cell, range);
    counted += truths.counted;
    for (int level = 0; level < kThresholds; ++level) {
      const std::vector<Verdict> verdicts = judge(cell, truths, range, level);
      const std::size_t count = std::min<std::size_t>(verdicts.size(), max_detections);
      for (std::size_t d = 0; d < count; ++d) judged[level].push_back({cell.detections[d]->score, verdicts[d]});
    }
  }
  std::array<Measure, kThresholds> out;
  if (counted == 0) return out;
  for (int level = 0; level < kThresholds; ++level) out[level] = measure(std::move(judged[level]), counted);
  return out;
}

using Table = std::vector<std::array<Measure, kThresholds>>;  // a row a category

Table measure_all(const std::map<int, Cells>& cells, const AreaRange& range, int max_detections = kMaxDetections) {
  Table table;
  for (const auto& [category, of_category] : cells)
    table.push_back(measure_category(of_category, range, max_detections));
  return table;
}

/// Mean over categories with truths and over thresholds first..last.
double mean_of(const Table& table, double Measure::*value, int first = 0, int last = kThresholds - 1) {
  double sum = 0;
  int count = 0;
  for (int level = first; level <= last; ++level) {
    for (const auto& row : table) {
      if (row[level].*value == kUnset) continue;
      sum += row[level].*value;
      ++count;
    }
  }
  return count ? sum / count : kUnset;
}

}  // namespace

CocoSummary evaluate_coco(const CocoGround& ground, const std::vector<CocoDetection>& detections) {
  const std::map<int, Cells> cells = cells_by_category(ground, detections);
  CocoSummary s;
  const Table all = measure_all(cells, kAll);
  s.ap = mean_of(all, &Measure::ap);
  s.ap50 = mean_of(all, &Measure::ap, 0, 0);
  s.ap75 = mean_of(all, &Measure::ap, 5, 5);
  s.ar100 = mean_of(all, &Measure::recall);
  s.ar1 = mean_of(measure_all(cells, kAll, 1), &Measure::recall);
  s.ar10 = mean_of(measure_all(cells, kAll, 10), &Measure::recall);
  const Table small = measure_all(cells, kSmall), medium = measure_all(cells, kMedium),
              large = measure_all(cells, kLarge);
  s.ap_small = mean_of(small, &Measure::ap), s.ar_small = mean_of(small, &Measure::recall);
  s.ap_medium = mean_of(medium, &Measure::ap), s.ar_medium = mean_of(medium, &Measure::recall);
  s.ap_large = mean_of(large, &Measure::ap), s.ar_large = mean_of(large, &Measure::recall);
  for (const auto& row : all) {
    auto& aps = s.ap_per_category.emplace_back();
    for (int level = 0; level < kThresholds; ++level) aps[level] = row[level].ap;
  }
  return s;
}

}  // namespace boxcar
