#include "boxcar/nn/optim/optimizer.h"

#include <algorithm>
#include <limits>

#include "boxcar/nn/arena/arena.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::nn {
namespace {

using kernels::FlatRange;
using kernels::GradientNorm;
using kernels::OptimKind;
using kernels::StepCoefficients;

OptimKind kernel_of(OptimizerType type) {
  switch (type) {
    case OptimizerType::kSgd:
    case OptimizerType::kMuSgd:
      return OptimKind::kSgd;
    case OptimizerType::kAdam:
      return OptimKind::kAdam;
    case OptimizerType::kAdamW:
      return OptimKind::kAdamW;
    case OptimizerType::kAdamax:
      return OptimKind::kAdamax;
    case OptimizerType::kNAdam:
      return OptimKind::kNAdam;
    case OptimizerType::kRAdam:
      return OptimKind::kRAdam;
    case OptimizerType::kRmsProp:
      return OptimKind::kRmsProp;
    case OptimizerType::kAuto:
      break;
  }
  fail<ArgumentError>("optimizer=auto must be resolved to SGD, AdamW or another before it is built");
}

void check_param(const OptimParam& p, std::int64_t arena_count) {
  std::int64_t product = 1;
  for (const std::int64_t d : p.dims) product *= d;
  if (product != p.count)
    fail<ArgumentError>("parameter {} has {} elements, but its sizes give {}", p.name, p.count, product);
  if (p.offset < 0 || p.count < 1 || p.offset > arena_count - p.count) {
    fail<ArgumentError>("parameter {} ({} elements at {}) lies outside the arena of {}", p.name, p.count, p.offset,
                        arena_count);
  }
}

/// Two parameters that share elements would be stepped twice.
void check_params(const std::vector<OptimParam>& params, std::int64_t arena_count) {
  std::vector<const OptimParam*> sorted;
  for (const OptimParam& p : params) {
    check_param(p, arena_count);
    sorted.push_back(&p);
  }
  std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    const OptimParam &a = *sorted[i - 1], &b = *sorted[i];
    if (a.offset + a.count > b.offset) fail<ArgumentError>("parameters {} and {} overlap in the arena", a.name, b.name);
  }
}

kernels::MuonMatrix matrix_of(const OptimParam& p) {
  if (p.dims.size() == 2) return kernels::muon_linear(p.dims[0], p.dims[1]);
  const auto size = [&](int k) { return static_cast<int>(p.dims[static_cast<std::size_t>(k)]); };
  const Shape lies = p.depthwise ? Shape{1, size(2), size(3), size(0)} : Shape{size(0), size(2), size(3), size(1)};
  return kernels::muon_convolution(lies, p.depthwise);
}

Tensor zero_state(Stream& stream, std::int64_t count) {
  if (count > std::numeric_limits<int>::max()) fail<ArgumentError>("an arena of {} parameters is too large", count);
  return Tensor::zeros(stream, {1, 1, 1, static_cast<int>(count)});
}

/// What 0..count leaves outside the ranges, which do not overlap: averaged, not updated.
std::vector<kernels::UpdateRange> gaps(const std::vector<kernels::UpdateRange>& covered, std::int64_t count) {
  std::vector<FlatRange> sorted;
  for (const auto& r : covered) sorted.push_back(r.range);
  std::sort(sorted.begin(), sorted.end(), [](const FlatRange& a, const FlatRange& b) { return a.offset < b.offset; });
  std::vector<kernels::UpdateRange> rest;
  std::int64_t at = 0;
  for (const FlatRange& r : sorted) {
    if (r.offset > at) rest.push_back({{at, r.offset - at}, kernels::kAverageOnly});
    at = r.offset + r.count;
  }
  if (at < count) rest.push_back({{at, count - at}, kernels::kAverageOnly});
  return rest;
}

}  // namespace

std::vector<OptimParam> optim_params(const ParamArena& arena) {
  std::vector<OptimParam> params;
  for (const ParamArena::Entry& entry : arena.entries()) {
    const Parameter& p = *entry.parameter;
    if (p.kind != StateKind::kParameter) continue;
    params.push_back({entry.name, p.file_shape(), p.is_norm, p.layout == FileLayout::kDepthwiseWeight, p.trainable,
                      entry.offset, entry.count});
  }
  return params;
}

/// What each parameter is to the passes over the arena.
struct Optimizer::Layout {
  std::vector<FlatRange> trainable{};
  std::vector<kernels::UpdateRange> updated{};  // element by element
  std::vector<kernels::MuonRange> matrices{};
};

Optimizer::Optimizer(Stream& stream, const OptimizerSettings& settings, std::vector<OptimParam> params,
                     std::int64_t arena_count, std::int64_t average_count)
    : settings_(settings),
      params_(std::move(params)),
      arena_count_(arena_count),
      average_count_(std::max(arena_count, average_count)) {
  const OptimKind kind = kernel_of(settings.type);
  groups_ = make_groups(settings.type, settings.lr, settings.momentum, settings.weight_decay);
  check_params(params_, arena_count);
  Layout layout;
  for (const OptimParam& param : params_) add_param(param, layout);
  const auto averaged = gaps(layout.updated, average_count_);
  layout.updated.insert(layout.updated.end(), averaged.begin(), averaged.end());
  trainable_ = kernels::FlatBlocks(stream, layout.trainable);
  stepped_ = kernels::FlatBlocks(stream, layout.updated);
  matrices_ = kernels::MuonPlan(stream, std::move(layout.matrices));
  state0_ = zero_state(stream, arena_count);
  if (kind != OptimKind::kSgd || settings.type == OptimizerType::kMuSgd) state1_ = zero_state(stream, arena_count);
  norm_ = Tensor::zeros(stream, {1, 1, 1, sizeof(GradientNorm)}, DType::kU8);
  coefficients_ = Tensor::zeros(stream, {1, 1, 1, sizeof(StepCoefficients)}, DType::kU8);
}

void Optimizer::add_param(const OptimParam& param, Layout& layout) {
  const int dims = static_cast<int>(param.dims.size());
  const GroupChoice choice = choose_group(settings_.type, {param.name, dims, param.is_norm}, settings_.head);
  const int group = group_index(settings_.type, choice);
  group_of_.push_back(group);
  if (!param.trainable) return;
  layout.trainable.push_back({param.offset, param.count});
  if (choice.kind == GroupKind::kMuon) {
    layout.matrices.push_back({param.offset, matrix_of(param), group});
  } else {
    layout.updated.push_back({{param.offset, param.count}, group});
  }
}

void Optimizer::set_rates(const LrSchedule& schedule, std::int64_t ni, int epoch) {
  for (ParamGroup& group : groups_) {
    group.lr = schedule.lr(group.initial_lr, group.kind == GroupKind::kBias, ni, epoch);
    if (has_momentum(settings_.type)) group.momentum = schedule.momentum(group.initial_momentum, ni);
  }
}

void Optimizer::set_weight_decay(double scaled) {
  for (ParamGroup& group : groups_) {
    if (group.kind == GroupKind::kWeight || group.kind == GroupKind::kMuon) group.weight_decay = scaled;
  }
}

StepCoefficients Optimizer::coefficients(const StepOptions& options) const {
  StepCoefficients c;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const ParamGroup& g = groups_[i];
    c.groups[i] = kernels::update_coefficients(kernel_of(settings_.type),
                                               {g.lr, g.momentum, g.weight_decay, steps_, mu_product_});
  }
  c.max_norm = options.max_norm;
  c.loss_scale = options.loss_scale;
  c.average_weight = options.average_weight;
  c.skip_not_finite = options.skip_not_finite;
  return c;
}

void Optimizer::begin_step(Stream& stream, const StepOptions& options) {
  ++steps_;
  if (settings_.type == OptimizerType::kNAdam) mu_product_ *= kernels::nadam_mu(settings_.momentum, steps_);
  kernels::set_coefficients(stream, {coefficients(options), coefficients_.as<StepCoefficients>()});
  begun_ = true;
}

const GradientNorm* Optimizer::measure(Stream& stream, const float* grads) {
  auto* result = norm_.as<GradientNorm>();
  kernels::gradient_norm(stream, {trainable_, grads, coefficients_.as<StepCoefficients>(), result});
  return result;
}

GradientNorm Optimizer::read_norm(Stream& stream) const {
  GradientNorm host;
  stream.copy(&host, norm_.view().data, sizeof(host));
  stream.synchronize();
  return host;
}

void Optimizer::step(Stream& stream, const StepBuffers& buffers) {
  if (!begun_) fail<ArgumentError>("an optimizer's step() comes after its begin_step(), which sets the rates");
  begun_ = false;
  const auto* coefficients = coefficients_.as<const StepCoefficients>();
  float *state0 = state0_.as<float>(), *state1 = state1_ ? state1_.as<float>() : nullptr;
  // Before the pass over everything else, which averages the matrices as well.
  kernels::muon_step(stream, {matrices_, coefficients, buffers.values, buffers.grads, state0, state1, buffers.norm});
  kernels::optimizer_step(stream, {.kind = kernel_of(settings_.type),
                                   .blocks = stepped_,
                                   .coefficients = coefficients,
                                   .values = buffers.values,
                                   .grads = buffers.grads,
                                   .state0 = state0,
                                   .state1 = state1,
                                   .norm = buffers.norm,
                                   .averages = buffers.averages});
}

void Optimizer::set_steps(std::int64_t steps) {
  steps_ = steps;
  mu_product_ = 1.0;
  for (std::int64_t t = 1; t <= steps && mu_product_ > 0.0; ++t)
    mu_product_ *= kernels::nadam_mu(settings_.momentum, t);
}

std::vector<OptimState> Optimizer::states() const {
  const auto all = [](GroupKind) { return true; };
  const auto muon = [](GroupKind kind) { return kind == GroupKind::kMuon; };
  const auto first = [&](std::string_view name) { return OptimState{name, state0_.as<float>(), arena_count_, all}; };
  const auto second = [&](std::string_view name) { return OptimState{name, state1_.as<float>(), arena_count_, all}; };
  switch (settings_.type) {
    case OptimizerType::kMuSgd:
      return {first("momentum_buffer"), {"momentum_buffer_SGD", state1_.as<float>(), arena_count_, muon}};
    case OptimizerType::kRmsProp:
      return {first("square_avg"), second("momentum_buffer")};
    case OptimizerType::kAdamax:
      return {first("exp_avg"), second("exp_inf")};
    case OptimizerType::kAdam:
    case OptimizerType::kAdamW:
    case OptimizerType::kNAdam:
    case OptimizerType::kRAdam:
      return {first("exp_avg"), second("exp_avg_sq")};
    case OptimizerType::kSgd:
    case OptimizerType::kAuto:
      break;
  }
  return {first("momentum_buffer")};
}

}  // namespace boxcar::nn
