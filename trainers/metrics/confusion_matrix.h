// What was taken for what.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "boxcar/trainers/results/box.h"

namespace boxcar {

struct ConfusionOptions {
  float conf = 0.25f;  // predictions must be above
  float iou = 0.45f;   // a pair must be above
};

/// (nc + 1) x (nc + 1) counts: row the predicted class, column the true one, last the background.
class ConfusionMatrix {
 public:
  /// Throws ArgumentError if nc < 1 or nc > 10000 (a 100-million-cell matrix helps nobody).
  explicit ConfusionMatrix(int nc, ConfusionOptions options = {});

  /// One image. Predictions, in falling score order (stable), each take the free truth with the highest IoU
  /// (the first on a tie), whatever its class, if that is above the limit. Classes must be below nc (DataError).
  void add(std::span<const Box> predictions, std::span<const TruthBox> truths);

  int side() const { return nc_ + 1; }
  int background() const { return nc_; }
  std::int64_t at(int predicted, int truth) const { return cells_[index(predicted, truth)]; }
  /// Columns divided by their sum + 1e-9, row by row.
  std::vector<double> normalized() const;

 private:
  std::size_t index(int predicted, int truth) const { return static_cast<std::size_t>(predicted) * side() + truth; }
  int nc_;
  ConfusionOptions options_;
  std::vector<std::int64_t> cells_;
};

}  // namespace boxcar
