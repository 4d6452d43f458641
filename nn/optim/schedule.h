// Learning rate, momentum and accumulation over a run: all pure functions of the batch and epoch number.
#pragma once

#include <cstdint>

namespace boxcar::nn {

struct ScheduleOptions {
  int epochs = 100;
  std::int64_t batches_per_epoch = 1;
  int batch = 16;     // images a batch, over all ranks
  int nbs = 64;       // images a step that the settings are meant for
  double lrf = 0.01;  // last learning rate as a fraction of the first
  bool cosine = false;
  double warmup_epochs = 3.0;
  double warmup_bias_lr = 0.1;
  double warmup_momentum = 0.8;
  double momentum = 0.937;       // where warm-up ends
  bool cap_accumulation = true;  // by the batches of the run; not with a time limit
};

/// Factor of the learning rate at an epoch of `epochs`: linear from 1 towards lrf, or half a cosine. May be
/// asked beyond the last epoch.
double lr_factor(double epoch, int epochs, double lrf, bool cosine);

/// Batches a step at full accumulation: max(1, round(nbs / batch)), halves to even.
int nominal_accumulation(int batch, int nbs);

/// The decay in use: weight_decay * batch * nominal_accumulation / nbs.
double scaled_weight_decay(double weight_decay, int batch, int nbs);

class LrSchedule {
 public:
  /// Throws ArgumentError for a number of epochs, batches, images or nbs below 1.
  explicit LrSchedule(const ScheduleOptions& options);

  const ScheduleOptions& options() const { return options_; }
  double factor(double epoch) const { return lr_factor(epoch, options_.epochs, options_.lrf, options_.cosine); }
  /// Last batch number of warm-up; 0: none.
  std::int64_t warmup_batches() const { return warmup_; }
  /// Whether batch ni (counted from epoch 0) is set by warm-up; its last batch lands on the targets.
  bool warming_up(std::int64_t ni) const { return warmup_ > 0 && ni <= warmup_; }

  /// Of a group at batch ni of `epoch`. Bias groups start from warmup_bias_lr, all others from 0.
  double lr(double initial_lr, bool bias_group, std::int64_t ni, int epoch) const;
  /// Of groups that have one. `built_with`: the optimizer's own, which holds where there is no warm-up.
  double momentum(double built_with, std::int64_t ni) const;
  /// Batches a step: ramps from 1 during warm-up.
  int accumulation(std::int64_t ni) const;

 private:
  double ramp(double from, double to, std::int64_t ni) const;

  ScheduleOptions options_;
  std::int64_t warmup_ = 0;
};

/// When gradients have been summed over enough batches.
class GradAccumulation {
 public:
  /// Whether the optimizer steps after batch ni. Call once a batch. Left-over batches carry over into the next epoch.
  bool due(std::int64_t ni, int accumulation) {
    if (ni - last_step_ < accumulation) return false;
    last_step_ = ni;
    return true;
  }
  /// As at the start of a run, where the reference also puts it after a resume or a recovery.
  void reset() { last_step_ = -1; }
  /// For exact resume.
  std::int64_t last_step() const { return last_step_; }
  void set_last_step(std::int64_t ni) { last_step_ = ni; }

 private:
  std::int64_t last_step_ = -1;
};

}  // namespace boxcar::nn
