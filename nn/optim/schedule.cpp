#include "boxcar/nn/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "boxcar/runtime/base/error.h"

namespace boxcar::nn {

double lr_factor(double epoch, int epochs, double lrf, bool cosine) {
  const double share = epoch / epochs;
  if (cosine) return std::max(0.0, (1.0 - std::cos(std::numbers::pi * share)) / 2.0) * (lrf - 1.0) + 1.0;
  return std::max(0.0, 1.0 - share) * (1.0 - lrf) + lrf;
}

int nominal_accumulation(int batch, int nbs) {
  return std::max(1, static_cast<int>(std::nearbyint(double(nbs) / batch)));
}

double scaled_weight_decay(double weight_decay, int batch, int nbs) {
  return weight_decay * batch * nominal_accumulation(batch, nbs) / nbs;
}

LrSchedule::LrSchedule(const ScheduleOptions& options) : options_(options) {
  if (options.epochs < 1 || options.batches_per_epoch < 1 || options.batch < 1 || options.nbs < 1) {
    fail<ArgumentError>("a schedule of {} epochs with {} batches of {} images (nbs={}) has no steps", options.epochs,
                        options.batches_per_epoch, options.batch, options.nbs);
  }
  const double epochs = std::min(options.warmup_epochs, double(std::max(options.epochs - 1, 0)));
  warmup_ = std::max<std::int64_t>(0, std::llrint(epochs * double(options.batches_per_epoch)));
}

double LrSchedule::ramp(double from, double to, std::int64_t ni) const {
  return (to - from) / double(warmup_) * double(ni) + from;
}

double LrSchedule::lr(double initial_lr, bool bias_group, std::int64_t ni, int epoch) const {
  const double target = initial_lr * factor(epoch);
  return warming_up(ni) ? ramp(bias_group ? options_.warmup_bias_lr : 0.0, target, ni) : target;
}

double LrSchedule::momentum(double built_with, std::int64_t ni) const {
  if (warmup_ == 0) return built_with;
  return warming_up(ni) ? ramp(options_.warmup_momentum, options_.momentum, ni) : options_.momentum;
}

int LrSchedule::accumulation(std::int64_t ni) const {
  std::int64_t nominal = nominal_accumulation(options_.batch, options_.nbs);
  if (options_.cap_accumulation) nominal = std::min(nominal, options_.batches_per_epoch * options_.epochs);
  if (!warming_up(ni)) return static_cast<int>(nominal);
  return std::max(1, static_cast<int>(std::nearbyint(ramp(1.0, double(nominal), ni))));
}

}  // namespace boxcar::nn
