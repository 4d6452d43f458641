#include "boxcar/kernels/common/block_sums.h"
#include "boxcar/kernels/common/chunk_sums.h"
#include "boxcar/kernels/common/device_vector.h"
#include "boxcar/kernels/optim/optim.h"
#include "boxcar/kernels/optim/optim_rules.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kThreads = 256;

struct StepArrays {
  float* values;
  const float* grads;
  float *state0, *state1, *averages;
  __nv_bfloat16* rounded;
};

// Calls f(std::integral_constant<int, width>{}, i) for the calling thread's elements i .. i + width - 1 of a block:
// fours where all addresses allow it, then what is left, one by one.
template <class F>
BOXCAR_DEVICE void for_block_elements(const FlatBlock& block, bool aligned, F&& f) {
  const std::int64_t end = block.offset + block.count;
  std::int64_t tail = block.offset;
  if (aligned && block.offset % 4 == 0) {
    tail = block.offset + block.count / 4 * 4;
    for (std::int64_t i = block.offset + threadIdx.x * 4; i < tail; i += kThreads * 4) {
      f(std::integral_constant<int, 4>{}, i);
    }
  }
  for (std::int64_t i = tail + threadIdx.x; i < end; i += kThreads) f(std::integral_constant<int, 1>{}, i);
}

__global__ void __launch_bounds__(32) set_coefficients_kernel(StepCoefficients value, StepCoefficients* to) {
  // One thread writes it all.
  if (threadIdx.x == 0) *to = value;
}

// A block owns one FlatBlock, a thread four neighbouring elements at a time. Squares are summed in double; the last
// block to arrive adds up the blocks' sums.
__global__ void __launch_bounds__(kThreads)
    gradient_norm_kernel(const FlatBlock* blocks, std::int64_t count, const float* grads, bool aligned, double* sums,
                         unsigned* counters, const StepCoefficients* coefficients, GradientNorm* result) {
  double sum = 0.0;
  if (blockIdx.x < count) {
    for_block_elements(blocks[blockIdx.x], aligned,
                       [&]<int kWidth>(std::integral_constant<int, kWidth>, std::int64_t i) {
                         float g[kWidth];
                         load_vector(grads + i, g);
#pragma unroll
                         for (int k = 0; k < kWidth; ++k) sum += double{g[k]} * double{g[k]};
                       });
  }
  sum = block_sum<kThreads>(sum);
  if (threadIdx.x == 0 && blockIdx.x < count) sums[blockIdx.x] = sum;
  if (!is_last_to_arrive(counters, gridDim.x)) return;
  const double total = block_sum_of<kThreads>(sums, count);
  if (threadIdx.x == 0) *result = norm_of_squares(total, *coefficients);
}

template <class Rule, int kWidth>
BOXCAR_DEVICE void update(const UpdateCoefficients& c, float factor, const StepArrays& a, std::int64_t i,
                          float (&p)[kWidth]) {
  float g[kWidth], s0[kWidth], s1[kWidth] = {};
  load_vector(a.grads + i, g);
  load_vector(a.state0 + i, s0);
  if constexpr (Rule::kStates == 2) load_vector(a.state1 + i, s1);
#pragma unroll
  for (int k = 0; k < kWidth; ++k) Rule::apply(c, g[k] * factor, p[k], s0[k], s1[k]);
  store_vector(a.values + i, p);
  store_vector(a.state0 + i, s0);
  if constexpr (Rule::kStates == 2) store_vector(a.state1 + i, s1);
}

// A block owns one FlatBlock, a thread four neighbouring elements at a time. Four blocks at once are enough: for more
// the compiler would spill.
template <class Rule>
__global__ void __launch_bounds__(kThreads, 4)
    optimizer_step_kernel(const FlatBlock* blocks, const StepCoefficients* coefficients, const GradientNorm* norm,
                          StepArrays a, bool aligned) {
  const FlatBlock block = blocks[blockIdx.x];
  const bool updates = block.group != kAverageOnly && !is_skipped(*coefficients, norm);
  const UpdateCoefficients c = updates ? coefficients->groups[block.group] : UpdateCoefficients{};
  const float factor = norm ? norm->factor : 1.0f, average_weight = coefficients->average_weight;
  for_block_elements(block, aligned, [&]<int kWidth>(std::integral_constant<int, kWidth>, std::int64_t i) {
    float p[kWidth];
    load_vector(a.values + i, p);
    if (updates) update<Rule>(c, factor, a, i, p);
    if (a.averages) {
      float average[kWidth];
      load_vector(a.averages + i, average);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) average[k] = lerp_towards(average[k], p[k], average_weight);
      store_vector(a.averages + i, average);
    }
    if (a.rounded) store_vector(a.rounded + i, p);
  });
}

/// Whether all begin at 16 bytes, or 8 in bf16, so that four neighbours go at once.
bool is_aligned(std::initializer_list<const void*> arrays, const void* rounded) {
  std::uintptr_t bits = reinterpret_cast<std::uintptr_t>(rounded) * 2;
  for (const void* p : arrays) bits |= reinterpret_cast<std::uintptr_t>(p);
  return bits % 16 == 0;
}

}  // namespace

void set_coefficients(Stream& stream, const SetCoefficientsArgs& args) {
  launch("set_coefficients", set_coefficients_kernel, {dim3(1), dim3(32)}, stream, args.value, args.to);
}

void gradient_norm(Stream& stream, const GradientNormArgs& args) {
  const std::int64_t count = args.blocks.count();
  launch("gradient_norm", gradient_norm_kernel, grid_for(std::max<std::int64_t>(count, 1) * kThreads, kThreads), stream,
         args.blocks.data(), count, args.grads, is_aligned({args.grads}, nullptr), args.blocks.sums(),
         stream.resource<TileCounters>().data(), args.coefficients, args.result);
}

void optimizer_step(Stream& stream, const OptimizerStepArgs& args) {
  const StepArrays arrays{args.values, args.grads,    args.state0,
                          args.state1, args.averages, reinterpret_cast<__nv_bfloat16*>(args.rounded)};
  const bool aligned = is_aligned({args.values, args.grads, args.state0, args.state1, args.averages}, args.rounded);
  with_rule(args.kind, [&]<class Rule>(Rule) {
    launch("optimizer_step", optimizer_step_kernel<Rule>, grid_for(args.blocks.count() * kThreads, kThreads), stream,
           args.blocks.data(), args.coefficients, args.norm, arrays, aligned);
  });
}

}  // namespace boxcar::kernels::cuda
