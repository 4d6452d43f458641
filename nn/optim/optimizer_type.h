// Which optimizer a run uses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace boxcar::nn {

enum class OptimizerType { kSgd, kMuSgd, kAdam, kAdamW, kAdamax, kNAdam, kRAdam, kRmsProp, kAuto };

/// By its name in any case: SGD, MuSGD, Adam, AdamW, Adamax, NAdam, RAdam, RMSProp, auto. Throws ArgumentError that
/// lists them for any other.
OptimizerType parse_optimizer(std::string_view name);
/// "SGD", "MuSGD", ...
std::string_view name_of(OptimizerType type);
/// Whether warm-up ramps its momentum: SGD, MuSGD and RMSProp. The betas of the Adam family stay.
bool has_momentum(OptimizerType type);

/// What optimizer=auto comes to. It replaces the arguments optimizer, lr0 and warmup_bias_lr; the argument momentum
/// stays, and warm-up ends there, so `momentum` holds only for runs without warm-up and as beta1.
struct AutoOptimizer {
  OptimizerType type = OptimizerType::kAdamW;
  double lr = 0.0;
  double momentum = 0.9;
  double warmup_bias_lr = 0.0;
};
/// Steps of a run as the rule counts them: ceil(images / max(batch, nbs)) * epochs; batch over all ranks.
std::int64_t auto_iterations(std::int64_t images, int batch, int nbs, int epochs);
/// Above 10000 iterations MuSGD with lr 0.01; else AdamW with lr round(0.002 * 5 / (4 + classes), 6 decimals).
AutoOptimizer choose_optimizer(std::int64_t iterations, int classes);

}  // namespace boxcar::nn
