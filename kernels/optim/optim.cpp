#include "boxcar/kernels/optim/optim.h"

#include <array>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/optim/optim_rules.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace {

/// Lanes give the compiler independent sums; their number fixes the order.
double sum_of_squares(const float* g, std::int64_t count) {
  constexpr int kLanes = 8;
  std::array<double, kLanes> lanes{};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int k = 0; k < kLanes; ++k) lanes[k] += double{g[i + k]} * double{g[i + k]};
  }
  for (int k = 0; i < count; ++i, ++k) lanes[k] += double{g[i]} * double{g[i]};
  double sum = 0.0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

template <class Rule>
void update_block(const OptimizerStepArgs& args, const FlatBlock& block, float factor) {
  const UpdateCoefficients c = args.coefficients->groups[block.group];
  float* __restrict p = args.values + block.offset;
  const float* __restrict g = args.grads + block.offset;
  float* __restrict s0 = args.state0 + block.offset;
  if constexpr (Rule::kStates == 2) {
    float* __restrict s1 = args.state1 + block.offset;
    for (std::int64_t i = 0; i < block.count; ++i) Rule::apply(c, g[i] * factor, p[i], s0[i], s1[i]);
  } else {
    float unused = 0.0f;
    for (std::int64_t i = 0; i < block.count; ++i) Rule::apply(c, g[i] * factor, p[i], s0[i], unused);
  }
}

void lerp_block(float* __restrict a, const float* __restrict x, std::int64_t count, float weight) {
  for (std::int64_t i = 0; i < count; ++i) a[i] = lerp_towards(a[i], x[i], weight);
}

void check_step(const OptimizerStepArgs& args) {
  if (args.blocks.count() == 0) return;
  const bool second = args.kind == OptimKind::kSgd || args.state1;
  if (!args.values || !args.coefficients || (args.blocks.updates() && (!args.grads || !args.state0 || !second))) {
    fail<ArgumentError>("optimizer_step: values, gradients, coefficients and the optimizer's state are all needed");
  }
}

template <class F>
void for_each_block(Stream& stream, const FlatBlocks& blocks, F&& body) {
  parallel_for(stream.threads(), blocks.count(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) body(blocks.data()[b], b);
  });
}

}  // namespace

namespace cpu {

void set_coefficients(Stream&, const SetCoefficientsArgs& args) { *args.to = args.value; }

void gradient_norm(Stream& stream, const GradientNormArgs& args) {
  double* const sums = args.blocks.sums();
  for_each_block(stream, args.blocks, [&](const FlatBlock& block, std::int64_t b) {
    sums[b] = sum_of_squares(args.grads + block.offset, block.count);
  });
  double total = 0.0;
  for (std::int64_t b = 0; b < args.blocks.count(); ++b) total += sums[b];
  *args.result = norm_of_squares(total, *args.coefficients);
}

void optimizer_step(Stream& stream, const OptimizerStepArgs& args) {
  const float factor = args.norm ? args.norm->factor : 1.0f;
  const bool skips = is_skipped(*args.coefficients, args.norm);
  with_rule(args.kind, [&]<class Rule>(Rule) {
    for_each_block(stream, args.blocks, [&](const FlatBlock& block, std::int64_t) {
      const float* p = args.values + block.offset;
      if (block.group != kAverageOnly && !skips) update_block<Rule>(args, block, factor);
      if (args.averages) lerp_block(args.averages + block.offset, p, block.count, args.coefficients->average_weight);
      for (std::int64_t i = 0; args.rounded && i < block.count; ++i) args.rounded[block.offset + i] = bfloat16(p[i]);
    });
  });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void set_coefficients(Stream& stream, const SetCoefficientsArgs& args);
void gradient_norm(Stream& stream, const GradientNormArgs& args);
void optimizer_step(Stream& stream, const OptimizerStepArgs& args);
}  // namespace cuda
#endif

void set_coefficients(Stream& stream, const SetCoefficientsArgs& args) {
  BOXCAR_DISPATCH(stream, set_coefficients, args);
}

void gradient_norm(Stream& stream, const GradientNormArgs& args) {
  if (!args.coefficients || !args.result || (args.blocks.count() > 0 && !args.grads)) {
    fail<ArgumentError>("gradient_norm: gradients, coefficients and a place for the result are all needed");
  }
  BOXCAR_DISPATCH(stream, gradient_norm, args);
}

void optimizer_step(Stream& stream, const OptimizerStepArgs& args) {
  check_step(args);
  if (args.blocks.count() == 0) return;
  BOXCAR_DISPATCH(stream, optimizer_step, args);
}

OpCost cost_of(const GradientNormArgs& args) { return {args.blocks.elements() * std::int64_t{sizeof(float)}, 0}; }

// Values, states and averages are read and written, gradients read.
OpCost cost_of(const OptimizerStepArgs& args) {
  const int buffers = 1 + (args.state0 != nullptr) + (args.state1 != nullptr) + (args.averages != nullptr);
  const std::int64_t element = (2 * buffers + 1) * std::int64_t{sizeof(float)} + (args.rounded ? 2 : 0);
  return {args.blocks.elements() * element, 0};
}

}  // namespace boxcar::kernels
