// The averaged model's decay. The average itself is one lerp over the arena, kernels::optimizer_step.
#pragma once

#include <cmath>
#include <cstdint>

namespace boxcar::nn {

class EmaDecay {
 public:
  static constexpr double kDecay = 0.9999, kRampUpdates = 2000.0;

  explicit EmaDecay(std::int64_t updates = 0) : updates_(updates) {}

  /// Updates made so far, saved in checkpoints.
  std::int64_t updates() const { return updates_; }
  /// Decay at the nth update: small at first, so that the average follows a young model closely.
  static double at(std::int64_t update) { return kDecay * (1.0 - std::exp(-double(update) / kRampUpdates)); }
  /// Counts one more update, made after every optimizer step, also one that loss scaling skipped, and returns the
  /// weight of the model in it: 1 - decay.
  double next_weight() { return 1.0 - at(++updates_); }

 private:
  std::int64_t updates_ = 0;
};

}  // namespace boxcar::nn
