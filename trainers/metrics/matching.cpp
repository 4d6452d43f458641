#include "boxcar/trainers/metrics/matching.h"

#include <cstdint>

#include "boxcar/trainers/metrics/box_iou.h"

namespace boxcar {
namespace {

struct Rival {
  std::size_t truth;
  float iou;
};

/// Truths that the prediction could ever take.
void find_rivals(const Box& prediction, std::span<const TruthBox> truths, std::vector<Rival>& rivals) {
  rivals.clear();
  for (std::size_t t = 0; t < truths.size(); ++t) {
    if (truths[t].cls != prediction.cls) continue;
    if (const float iou = box_iou(prediction, truths[t]); iou >= kIouThresholds[0]) rivals.push_back({t, iou});
  }
}

/// Claims the best free truth at threshold `level`; taken[t] holds a bit a threshold.
bool claim(const std::vector<Rival>& rivals, int level, std::vector<std::uint16_t>& taken) {
  const Rival* best = nullptr;
  for (const Rival& r : rivals) {
    const bool free = !(taken[r.truth] >> level & 1);
    if (free && r.iou >= kIouThresholds[level] && (!best || r.iou > best->iou)) best = &r;
  }
  if (best) taken[best->truth] |= static_cast<std::uint16_t>(1u << level);
  return best != nullptr;
}

}  // namespace

std::vector<TruePositives> match_predictions(std::span<const Box> predictions, std::span<const TruthBox> truths) {
  std::vector<TruePositives> verdicts(predictions.size(), TruePositives{});
  std::vector<std::uint16_t> taken(truths.size(), 0);
  std::vector<Rival> rivals;
  for (std::size_t p = 0; p < predictions.size(); ++p) {
    find_rivals(predictions[p], truths, rivals);
    for (int level = 0; level < kIouThresholdCount && !rivals.empty(); ++level) {
      verdicts[p][level] = claim(rivals, level, taken);
    }
  }
  return verdicts;
}

}  // namespace boxcar
