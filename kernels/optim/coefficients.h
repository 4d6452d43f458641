// The numbers of an optimizer step that do not depend on the parameters.
#pragma once

#include <cstdint>

#include "boxcar/kernels/common/op_cost.h"
#include "boxcar/kernels/optim/optim_math.h"
#include "boxcar/runtime/device/stream.h"

namespace boxcar::kernels {

/// One group's settings at a step.
struct StepSettings {
  double lr = 0.0;
  double momentum = 0.0;  // beta1 of the Adam family
  double weight_decay = 0.0;
  std::int64_t step = 1;    // counted from 1
  double mu_product = 1.0;  // NAdam: product of nadam_mu(momentum, 1..step)
};

inline constexpr double kBeta2 = 0.999, kRmsSmoothing = 0.99, kOptimEps = 1e-8;

/// NAdam's momentum at step t: beta1 * (1 - 0.5 * 0.96^(0.004 t)).
double nadam_mu(double beta1, std::int64_t step);

/// All in double, rounded once.
UpdateCoefficients update_coefficients(OptimKind kind, const StepSettings& settings);

/// All that changes from step to step. Ops read it from the stream's device, never from their arguments, so that a
/// recorded step can be issued again with new numbers.
struct StepCoefficients {
  static constexpr int kMaxGroups = 8;
  UpdateCoefficients groups[kMaxGroups];
  double max_norm = 0.0;             // gradients are clipped to this; 0: no clipping
  double loss_scale = 1.0;           // the gradients hold this multiple
  float average_weight = 0.0f;       // 1 - decay of the moving average
  std::int32_t skip_not_finite = 0;  // 1: a step whose gradients are not finite changes nothing but the average
};

struct SetCoefficientsArgs {
  StepCoefficients value{};
  StepCoefficients* to = nullptr;  // on the stream's device
};
/// *to = value, in stream order. The value travels with the call, so this one op of a step stays outside of a
/// recording.
void set_coefficients(Stream& stream, const SetCoefficientsArgs& args);
inline OpCost cost_of(const SetCoefficientsArgs&) { return {sizeof(StepCoefficients), 0}; }

}  // namespace boxcar::kernels
