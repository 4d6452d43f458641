// The optimizer's passes over flat f32 buffers: gradient norm and clipping, update, moving average.
//
// Values, gradients, state and averages are parallel buffers; a range names the same elements in all of them.
#pragma once

#include <cstdint>
#include <span>

#include "boxcar/kernels/common/op_cost.h"
#include "boxcar/kernels/optim/coefficients.h"
#include "boxcar/runtime/device/stream.h"

namespace boxcar::kernels {

/// Elements offset .. offset + count - 1 of the flat buffers.
struct FlatRange {
  std::int64_t offset = 0, count = 0;
};

/// What one look at all gradients finds; lives on the stream's device.
struct GradientNorm {
  double norm = 0.0;        // L2, of the gradients after unscaling
  float factor = 1.0f;      // what each gradient is to be multiplied with: unscaling times clipping
  std::int32_t finite = 1;  // 0: a gradient is infinite or not a number
};

struct GradientNormArgs {
  const float* grads = nullptr;
  std::span<const FlatRange> ranges{};
  double max_norm = 0.0;    // clip to this; 0: no clipping
  double loss_scale = 1.0;  // the gradients hold this multiple
  GradientNorm* result = nullptr;
};
/// factor = min(1, max_norm / (norm + 1e-6)) / loss_scale. Not finite: an infinite norm gives factor 0 (so that finite
/// gradients vanish and infinite ones become NaN), a NaN norm gives NaN. Summed in double, by blocks that follow
/// from the ranges, in their order.
void gradient_norm(Stream& stream, const GradientNormArgs& args);
OpCost cost_of(const GradientNormArgs& args);

/// One group's elements.
struct UpdateRange {
  FlatRange range{};
  int group = 0;
};

struct OptimizerStepArgs {
  OptimKind kind = OptimKind::kSgd;
  std::span<const UpdateRange> ranges{};  // must not overlap
  std::span<const UpdateCoefficients> groups{};
  float* values = nullptr;
  const float* grads = nullptr;        // read only; multiplied by the factor on the way
  float* state0 = nullptr;             // SGD momentum; Adam family first moment; RMSProp mean square
  float* state1 = nullptr;             // second moment, Adamax maximum, RMSProp momentum; null for SGD
  const GradientNorm* norm = nullptr;  // null: factor 1
  float* averages = nullptr;           // moving average updated in the same pass, or null
  float average_weight = 0.0f;         // 1 - decay of the moving average
};
/// One pass: clip, update, average. Equal to the three done one after the other. Throws ArgumentError for a
/// missing buffer or a range of an unknown group.
void optimizer_step(Stream& stream, const OptimizerStepArgs& args);
OpCost cost_of(const OptimizerStepArgs& args);

struct EmaUpdateArgs {
  float* averages = nullptr;
  const float* values = nullptr;
  std::span<const FlatRange> ranges{};
  float weight = 0.0f;  // 1 - decay
};
/// averages = lerp(averages, values, weight).
void ema_update(Stream& stream, const EmaUpdateArgs& args);
OpCost cost_of(const EmaUpdateArgs& args);

struct ScaleGradientsArgs {
  float* grads = nullptr;
  std::span<const FlatRange> ranges{};
  const GradientNorm* norm = nullptr;
};
/// grads *= norm->factor: clipping as a pass of its own.
void scale_gradients(Stream& stream, const ScaleGradientsArgs& args);

}  // namespace boxcar::kernels
