// Which of a vendor's plans and our own kernel computes a convolution, and what a plan leaves to do.
#include "boxcar/kernels/conv/conv_cuda.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "boxcar/kernels/conv/conv_plans.h"
#include "boxcar/kernels/conv/conv_weights.h"

namespace boxcar::kernels::cuda {

void batch_statistics(Stream& stream, const BatchStatisticsArgs& args);

namespace {

constexpr std::uintptr_t kAlignment = 16;  // what plans are made for

bool aligned(std::initializer_list<const void*> data) {
  return std::ranges::all_of(data, [](const void* p) { return reinterpret_cast<std::uintptr_t>(p) % kAlignment == 0; });
}

void run_plan(Stream& stream, ConvPlan& plan, const ConvOperands& operands) {
  const std::size_t bytes = plan.workspace_bytes();
  const std::shared_ptr<void> workspace = bytes > 0 ? MemoryPool::allocate(stream.pool(), bytes) : nullptr;
  plan.run(stream, operands, workspace.get());
}

// A trial must not move the running statistics.
BatchStatistics of_trial(BatchStatistics statistics, bool trial) {
  if (trial) statistics.running_mean = statistics.running_var = nullptr;
  return statistics;
}

}  // namespace

void conv_forward(Stream& stream, const ConvForwardArgs& args) {
  const auto own = [&](bool trial) {
    ConvForwardArgs to = args;
    to.statistics = of_trial(args.statistics, trial);
    own_conv_forward(stream, to);
  };
  ConvPlans& plans = conv_plans(stream);
  const TensorView& nearest = weights_for(args.x.dtype, args.w, args.rounded);
  if (!plans.has_engines() || !aligned({args.x.data, nearest.data, args.y.data, args.bias})) return own(false);
  const ConvProblem problem{.pass = ConvPass::kForward,
                            .x = args.x.shape(),
                            .y = args.y.shape(),
                            .options = args.options,
                            .type = args.x.dtype,
                            .result = args.y.dtype,
                            .bias = args.bias != nullptr,
                            .act = args.act.kind,
                            .statistics = args.statistics.wanted()};
  const auto vendor = [&](ConvPlan& plan, bool trial) {
    const Tensor w = kept_weights(stream, args);
    run_plan(stream, plan, {args.x.data, w.view().data, args.y.data, args.bias});
    if (problem.statistics) batch_statistics(stream, {args.y, of_trial(args.statistics, trial)});
  };
  plans.run(problem, {own, vendor, is_stem(args.x.c, args.options)});
}

void conv_backward_input(Stream& stream, const ConvBackwardInputArgs& args) {
  const auto own = [&](bool) { own_conv_backward_input(stream, args); };
  ConvPlans& plans = conv_plans(stream);
  const TensorView& nearest = weights_for(args.dy.dtype, args.w, args.rounded);
  if (!plans.has_engines() || args.dy.count() == 0 || !aligned({args.dy.data, nearest.data, args.dx.data})) {
    return own(false);
  }
  const ConvProblem problem{.pass = ConvPass::kBackwardInput,
                            .x = args.dx.shape(),
                            .y = args.dy.shape(),
                            .options = args.options,
                            .type = args.dy.dtype,
                            .result = args.dx.dtype};
  const auto vendor = [&](ConvPlan& plan, bool) {
    const Tensor w = weights_as(stream, args.dy.dtype, args.w, args.rounded);
    run_plan(stream, plan, {args.dx.data, w.view().data, args.dy.data});
  };
  plans.run(problem, {own, vendor});
}

// Plans overwrite: a sum is made of what they write elsewhere.
void conv_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args) {
  if (args.dbias) backward_bias(stream, args);
  const auto target = [&](bool trial) -> Tensor {
    if (!trial && args.mode == GradMode::kOverwrite) return Tensor::wrap(args.dw, nullptr);
    return Tensor::empty(stream, args.dw.shape());
  };
  const auto own = [&](bool trial) {
    if (!trial) return own_conv_backward_weight(stream, args);
    ConvBackwardWeightArgs to = args;
    const Tensor dw = target(true);
    to.dw = dw;
    own_conv_backward_weight(stream, to);
  };
  ConvPlans& plans = conv_plans(stream);
  if (!plans.has_engines() || args.dy.count() == 0 || !aligned({args.x.data, args.dy.data, args.dw.data})) {
    return own(false);
  }
  const ConvProblem problem{.pass = ConvPass::kBackwardWeight,
                            .x = args.x.shape(),
                            .y = args.dy.shape(),
                            .options = args.options,
                            .type = args.x.dtype,
                            .result = DType::kF32};
  const auto vendor = [&](ConvPlan& plan, bool trial) {
    const Tensor dw = target(trial);
    run_plan(stream, plan, {args.x.data, dw.view().data, args.dy.data});
    if (args.mode == GradMode::kAdd) sum_parts(stream, dw.as(), 1, trial ? dw.view() : args.dw, GradMode::kAdd);
  };
  plans.run(problem, {own, vendor, is_stem(args.x.c, args.options)});
}

}  // namespace boxcar::kernels::cuda
