#include "boxcar/kernels/optim/optim.h"

#include <array>
#include <cmath>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/optim/flat_blocks.h"
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

/// min(1, max_norm / (norm + 1e-6)), where NaN stays NaN.
double clip_factor(double norm, double max_norm) {
  if (max_norm == 0.0) return 1.0;
  const double factor = max_norm / (norm + 1e-6);
  return factor > 1.0 ? 1.0 : factor;
}

template <class Rule>
void update_block(const OptimizerStepArgs& args, const FlatBlock& block, const UpdateCoefficients& c, float factor) {
  float* __restrict p = args.values + block.offset;
  const float* __restrict g = args.grads + block.offset;
  float* __restrict s0 = args.state0 + block.offset;
  float* __restrict s1 = args.state1 ? args.state1 + block.offset : nullptr;
  float unused = 0.0f;
  if (s1) {
    for (std::int64_t i = 0; i < block.count; ++i) Rule::apply(c, g[i] * factor, p[i], s0[i], s1[i]);
  } else {
    for (std::int64_t i = 0; i < block.count; ++i) Rule::apply(c, g[i] * factor, p[i], s0[i], unused);
  }
}

void lerp_block(float* __restrict a, const float* __restrict x, std::int64_t count, float weight) {
  for (std::int64_t i = 0; i < count; ++i) a[i] = lerp_towards(a[i], x[i], weight);
}

using UpdateBlock = void (*)(const OptimizerStepArgs&, const FlatBlock&, const UpdateCoefficients&, float);

UpdateBlock update_of(OptimKind kind) {
  switch (kind) {
    case OptimKind::kSgd:
      return update_block<SgdRule>;
    case OptimKind::kAdam:
    case OptimKind::kAdamW:
      return update_block<AdamRule>;
    case OptimKind::kAdamax:
      return update_block<AdamaxRule>;
    case OptimKind::kNAdam:
      return update_block<NAdamRule>;
    case OptimKind::kRAdam:
      return update_block<RAdamRule>;
    case OptimKind::kRmsProp:
      return update_block<RmsPropRule>;
  }
  fail<ArgumentError>("optimizer_step: unknown kind of optimizer {}", static_cast<int>(kind));
}

void check_step(const OptimizerStepArgs& args) {
  const bool second = args.kind == OptimKind::kSgd || args.state1;
  if (!args.ranges.empty() && (!args.values || !args.grads || !args.state0 || !second)) {
    fail<ArgumentError>("optimizer_step: values, gradients and the optimizer's state are all needed");
  }
  for (const UpdateRange& r : args.ranges) {
    if (r.group < 0 || r.group >= static_cast<int>(args.groups.size())) {
      fail<ArgumentError>("optimizer_step: a range is of group {}, but there are {} groups", r.group,
                          args.groups.size());
    }
  }
}

template <class F>
void for_each_block(Stream& stream, const std::vector<FlatBlock>& blocks, F&& body) {
  parallel_for(stream.threads(), static_cast<std::int64_t>(blocks.size()), 1,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t b = begin; b < end; ++b) body(blocks[b], b);
               });
}

}  // namespace

namespace cpu {

void gradient_norm(Stream& stream, const GradientNormArgs& args) {
  const auto blocks = flat_blocks(args.ranges);
  std::vector<double> sums(blocks.size());
  for_each_block(stream, blocks, [&](const FlatBlock& block, std::int64_t b) {
    sums[b] = sum_of_squares(args.grads + block.offset, block.count);
  });
  double total = 0.0;
  for (const double sum : sums) total += sum;
  const double norm = std::sqrt(total) / args.loss_scale;
  *args.result = {norm, static_cast<float>(clip_factor(norm, args.max_norm) / args.loss_scale), std::isfinite(total)};
}

void optimizer_step(Stream& stream, const OptimizerStepArgs& args) {
  check_step(args);
  const auto blocks = flat_blocks(args.ranges, [](const UpdateRange& r) { return r.range; });
  const UpdateBlock update = update_of(args.kind);
  const float factor = args.norm ? args.norm->factor : 1.0f;
  for_each_block(stream, blocks, [&](const FlatBlock& block, std::int64_t) {
    update(args, block, args.groups[args.ranges[block.range].group], factor);
    if (args.averages) {
      lerp_block(args.averages + block.offset, args.values + block.offset, block.count, args.average_weight);
    }
  });
}

void ema_update(Stream& stream, const EmaUpdateArgs& args) {
  for_each_block(stream, flat_blocks(args.ranges), [&](const FlatBlock& block, std::int64_t) {
    lerp_block(args.averages + block.offset, args.values + block.offset, block.count, args.weight);
  });
}

void scale_gradients(Stream& stream, const ScaleGradientsArgs& args) {
  const float factor = args.norm->factor;
  for_each_block(stream, flat_blocks(args.ranges), [&](const FlatBlock& block, std::int64_t) {
    float* g = args.grads + block.offset;
    for (std::int64_t i = 0; i < block.count; ++i) g[i] *= factor;
  });
}

}  // namespace cpu

namespace {

std::int64_t floats_bytes(std::span<const FlatRange> ranges) {
  std::int64_t count = 0;
  for (const FlatRange& r : ranges) count += r.count;
  return count * std::int64_t{sizeof(float)};
}

}  // namespace

void gradient_norm(Stream& stream, const GradientNormArgs& args) { BOXCAR_DISPATCH_CPU(stream, gradient_norm, args); }
void optimizer_step(Stream& stream, const OptimizerStepArgs& args) {
  BOXCAR_DISPATCH_CPU(stream, optimizer_step, args);
}
void ema_update(Stream& stream, const EmaUpdateArgs& args) { BOXCAR_DISPATCH_CPU(stream, ema_update, args); }
void scale_gradients(Stream& stream, const ScaleGradientsArgs& args) {
  BOXCAR_DISPATCH_CPU(stream, scale_gradients, args);
}

OpCost cost_of(const GradientNormArgs& args) { return {floats_bytes(args.ranges), 0}; }

// Averages are read and written, values read.
OpCost cost_of(const EmaUpdateArgs& args) { return {3 * floats_bytes(args.ranges), 0}; }

// Values, states and averages are read and written, gradients read.
OpCost cost_of(const OptimizerStepArgs& args) {
  std::int64_t count = 0;
  for (const UpdateRange& r : args.ranges) count += r.range.count;
  const int buffers = 1 + (args.state0 != nullptr) + (args.state1 != nullptr) + (args.averages != nullptr);
  return {count * (2 * buffers + 1) * std::int64_t{sizeof(float)}, 0};
}

}  // namespace boxcar::kernels
