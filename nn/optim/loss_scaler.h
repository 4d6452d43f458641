// Dynamic loss scaling for half-precision gradients.
#pragma once

namespace boxcar::nn {

/// The loss is multiplied by scale() before the backward pass, so that small gradients do not vanish in fp16. Not
/// needed for f32 and bf16.
class LossScaler {
 public:
  static constexpr int kGrowthInterval = 2000;

  LossScaler() = default;
  /// For another interval, or a state from a checkpoint.
  LossScaler(double scale, int good_steps, int growth_interval = kGrowthInterval)
      : scale_(scale), good_steps_(good_steps), growth_interval_(growth_interval) {}

  double scale() const { return scale_; }
  /// Steps since the scale changed, saved with it.
  int good_steps() const { return good_steps_; }

  /// After a step was taken (finite gradients) or had to be skipped: a bad one halves the scale, growth_interval good
  /// ones in a row double it.
  void update(bool finite) {
    good_steps_ = finite ? good_steps_ + 1 : 0;
    if (!finite) scale_ *= 0.5;
    if (good_steps_ == growth_interval_) {
      scale_ *= 2.0;
      good_steps_ = 0;
    }
  }

 private:
  double scale_ = 65536.0;
  int good_steps_ = 0;
  int growth_interval_ = kGrowthInterval;
};

}  // namespace boxcar::nn
