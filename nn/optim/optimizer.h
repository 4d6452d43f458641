// The optimizer of a run: parameter groups, state, and the step over the flat parameter arena.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "boxcar/kernels/optim/muon.h"
#include "boxcar/kernels/optim/optim.h"
#include "boxcar/nn/optim/optimizer_type.h"
#include "boxcar/nn/optim/param_groups.h"
#include "boxcar/nn/optim/schedule.h"
#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::nn {

/// A parameter and where it lies in the flat buffers.
struct OptimParam {
  std::string name;                // as in the state dict
  std::vector<std::int64_t> dims;  // in the state dict's order: O, I/groups, kh, kw for a convolution
  bool is_norm = false;
  bool depthwise = false;   // lies as 1,kh,kw,C instead of O,kh,kw,I
  bool trainable = true;    // false: has no gradient and is skipped entirely, decay included
  std::int64_t offset = 0;  // of the first element
  std::int64_t count = 0;   // product of dims
};

class ParamArena;

/// All parameters of an arena, in its order.
std::vector<OptimParam> optim_params(const ParamArena& arena);

struct OptimizerSettings {
  OptimizerType type = OptimizerType::kSgd;  // not kAuto: choose_optimizer comes first
  double lr = 0.01;
  double momentum = 0.937;       // beta1 of the Adam family
  double weight_decay = 0.0005;  // as used: see scaled_weight_decay
  std::string head;              // prefix of the detection head's parameters, "model.23."; empty: none
};

/// What a step needs to know beside the groups' rates.
struct StepOptions {
  double max_norm = 0.0;         // measure() clips to this; 0: no clipping
  double loss_scale = 1.0;       // the gradients hold this multiple, which measure() removes
  float average_weight = 0.0f;   // EmaDecay::next_weight()
  bool skip_not_finite = false;  // a step with infinite or NaN gradients changes nothing but the average
};

/// The arena's buffers, on the stream's device.
struct StepBuffers {
  float* values = nullptr;
  const float* grads = nullptr;
  const kernels::GradientNorm* norm = nullptr;  // from measure(): clips and unscales; null: gradients as they are
  float* averages = nullptr;                    // moving average to update along, or null
};

/// A state buffer, parallel to the arena, under the name it has in checkpoints.
struct OptimState {
  std::string_view name;
  float* data = nullptr;
  std::int64_t count = 0;
  /// Whether a parameter of this kind of group has such a state; elsewhere the buffer is 0.
  bool (*covers)(GroupKind) = nullptr;
};

class Optimizer {
 public:
  /// State of arena_count floats a buffer, all zero. average_count: elements of the arena and of the float buffers
  /// behind it, which are averaged too; less: the arena alone. Throws ArgumentError for kAuto, dims that do not give
  /// the count, and ranges that overlap or leave the arena.
  Optimizer(Stream& stream, const OptimizerSettings& settings, std::vector<OptimParam> params, std::int64_t arena_count,
            std::int64_t average_count = 0);

  OptimizerType type() const { return settings_.type; }
  const std::vector<OptimParam>& params() const { return params_; }
  /// Group of params()[i].
  int group_of(std::size_t i) const { return group_of_[i]; }
  const std::vector<ParamGroup>& groups() const { return groups_; }
  std::vector<ParamGroup>& groups() { return groups_; }
  /// Values that a step averages.
  std::int64_t average_count() const { return average_count_; }

  /// Sets every group's learning rate and, where it has one, momentum for batch ni of `epoch`; before the forward pass.
  void set_rates(const LrSchedule& schedule, std::int64_t ni, int epoch);
  /// After the batch size changed.
  void set_weight_decay(double scaled);

  /// Counts a step and brings rates, step number and options to the device, where measure() and step() read them. A
  /// recorded step is issued again after a begin_step() of its own, which is no part of the recording. A step that is
  /// skipped on the device counts too: nothing is read back.
  void begin_step(Stream& stream, const StepOptions& options = {});
  /// L2 norm over the gradients of all trainable parameters, and the factor that clips and unscales them. The result
  /// stays on the device until the next call.
  const kernels::GradientNorm* measure(Stream& stream, const float* grads);
  /// A host copy of the last measure(); synchronizes.
  kernels::GradientNorm read_norm(Stream& stream) const;
  /// One step. With averages also the moving average of everything. Throws ArgumentError without a begin_step() before.
  void step(Stream& stream, const StepBuffers& buffers);
  /// Steps begun.
  std::int64_t steps() const { return steps_; }
  /// Restores the count from a checkpoint, and what follows from it.
  void set_steps(std::int64_t steps);

  /// State buffers for checkpoints: momentum_buffer; exp_avg, exp_avg_sq (exp_inf); square_avg, momentum_buffer;
  /// for MuSGD momentum_buffer (the averaged gradient in muon groups, SGD's elsewhere) and momentum_buffer_SGD (muon
  /// groups).
  std::vector<OptimState> states() const;

 private:
  struct Layout;
  void add_param(const OptimParam& param, Layout& layout);
  kernels::StepCoefficients coefficients(const StepOptions& options) const;

  OptimizerSettings settings_;
  std::vector<OptimParam> params_;
  std::vector<ParamGroup> groups_;
  std::vector<int> group_of_;
  std::int64_t arena_count_ = 0, average_count_ = 0;
  kernels::FlatBlocks trainable_;  // all that has gradients
  kernels::FlatBlocks stepped_;    // all that is updated element by element, and all else that is averaged
  kernels::MuonPlan matrices_;
  Tensor state0_, state1_, norm_, coefficients_;
  std::int64_t steps_ = 0;
  bool begun_ = false;
  double mu_product_ = 1.0;  // NAdam
};

}  // namespace boxcar::nn
