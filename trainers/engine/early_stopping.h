// Stops a run whose fitness no longer improves.
#pragma once

#include <optional>

namespace boxcar {

class EarlyStopping {
 public:
  /// patience 0: never.
  explicit EarlyStopping(int patience = 0) : patience_(patience) {}

  /// Takes an epoch (from 1) and its fitness, if it has one; true: stop. While the best is 0 every epoch counts
  /// as better, so a run that has not begun to learn goes on.
  bool operator()(int epoch, std::optional<double> fitness) {
    if (!fitness) return false;
    if (*fitness > best_fitness_ || best_fitness_ == 0) {
      best_epoch_ = epoch;
      best_fitness_ = *fitness;
    }
    const int waited = epoch - best_epoch_;
    possible_ = patience_ > 0 && waited >= patience_ - 1;
    return patience_ > 0 && waited >= patience_;
  }
  /// Whether the next epoch may be the last.
  bool possible_stop() const { return possible_; }

  double best_fitness() const { return best_fitness_; }
  int best_epoch() const { return best_epoch_; }
  void restore(double best_fitness, int best_epoch, bool possible) {
    best_fitness_ = best_fitness;
    best_epoch_ = best_epoch;
    possible_ = possible;
  }

 private:
  int patience_;
  double best_fitness_ = 0;
  int best_epoch_ = 0;
  bool possible_ = false;
};

}  // namespace boxcar
