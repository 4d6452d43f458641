// The optimizer's passes over flat f32 buffers: gradient norm and clipping, update, moving average.
//
// Values, gradients, state and averages are parallel buffers; a block names the same elements in all of them.
#pragma once

#include <cstdint>

#include "boxcar/kernels/common/op_cost.h"
#include "boxcar/kernels/optim/coefficients.h"
#include "boxcar/kernels/optim/flat_blocks.h"
#include "boxcar/runtime/base/dtype.h"
#include "boxcar/runtime/device/stream.h"

namespace boxcar::kernels {

/// What one look at all gradients finds; lives on the stream's device.
struct GradientNorm {
  double norm = 0.0;        // L2, of the gradients after unscaling
  float factor = 1.0f;      // what each gradient is to be multiplied with: unscaling times clipping
  std::int32_t finite = 1;  // 0: a gradient is infinite or not a number
};

struct GradientNormArgs {
  const FlatBlocks& blocks;
  const float* grads = nullptr;
  const StepCoefficients* coefficients = nullptr;  // max_norm and loss_scale are read
  GradientNorm* result = nullptr;
};
/// factor = min(1, max_norm / (norm + 1e-6)) / loss_scale. Not finite: an infinite norm gives factor 0 (so that finite
/// gradients vanish and infinite ones become NaN), a NaN norm gives NaN. Summed in double, block by block, in their
/// order. Throws ArgumentError for a missing pointer.
void gradient_norm(Stream& stream, const GradientNormArgs& args);
OpCost cost_of(const GradientNormArgs& args);

struct OptimizerStepArgs {
  OptimKind kind = OptimKind::kSgd;
  const FlatBlocks& blocks;
  const StepCoefficients* coefficients = nullptr;
  float* values = nullptr;
  const float* grads = nullptr;        // read only; multiplied by the factor on the way
  float* state0 = nullptr;             // SGD momentum; Adam family first moment; RMSProp mean square
  float* state1 = nullptr;             // second moment, Adamax maximum, RMSProp momentum; unused by SGD
  const GradientNorm* norm = nullptr;  // null: factor 1
  float* averages = nullptr;           // moving average updated in the same pass, or null
  bfloat16* rounded = nullptr;         // copy of the new values for layers that read bf16, or null
};
/// One pass over all blocks: unscale, clip, update, average, round. Equal to these done one after the other. Blocks of
/// kAverageOnly are averaged and rounded only, and so are all blocks of a step that is skipped. Throws ArgumentError
/// for a missing buffer.
void optimizer_step(Stream& stream, const OptimizerStepArgs& args);
OpCost cost_of(const OptimizerStepArgs& args);

}  // namespace boxcar::kernels
