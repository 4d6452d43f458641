// Which predictions of an image are right, at each of ten demands on their overlap.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "boxcar/trainers/results/box.h"

namespace boxcar {

inline constexpr int kIouThresholdCount = 10;
/// 0.50, 0.55, ..., 0.95 as float32.
inline constexpr std::array<float, kIouThresholdCount> kIouThresholds{0.5f,  0.55f, 0.6f,  0.65f, 0.7f,
                                                                      0.75f, 0.8f,  0.85f, 0.9f,  0.95f};

/// One prediction's verdict: a true positive at kIouThresholds[i].
using TruePositives = std::array<bool, kIouThresholdCount>;

/// COCO's greedy rule, for each threshold on its own: predictions, in the order given (falling score),
/// each take the free truth of their class with the highest IoU (the first on a tie) if that is at least
/// the threshold. Both in pixels of the network's input. One verdict a prediction.
std::vector<TruePositives> match_predictions(std::span<const Box> predictions, std::span<const TruthBox> truths);

}  // namespace boxcar
