// Saving, resuming and the end of a run.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/safetensors.h"
#include "boxcar/runtime/files/torch_writer.h"
#include "boxcar/runtime/tensor/host_floats.h"
#include "boxcar/trainers/engine/base_trainer.h"

namespace boxcar {
namespace {

// A buffer parallel to the arena's parameters as tensors by name, in the layout of files.
NamedTensors by_name(const nn::ParamArena& arena, std::span<const float> buffer) {
  NamedTensors tensors;
  for (const auto& entry : arena.entries()) {
    if (entry.parameter->kind != nn::StateKind::kParameter) continue;
    const auto part = buffer.subspan(static_cast<std::size_t>(entry.offset), static_cast<std::size_t>(entry.count));
    tensors.emplace_back(entry.name, nn::to_file(*entry.parameter, {part.begin(), part.end()}));
  }
  return tensors;
}

// Back into the buffer on the arena's device; a name that the model does not have, or that is missing, is an error.
void from_names(const nn::ParamArena& arena, const NamedTensors& tensors, std::span<float> device, const char* what) {
  HostFloats host(arena.stream(), device.data(), device.size());
  const std::span<float> buffer = host.values();
  std::map<std::string_view, const HostTensor*> by;
  for (const auto& [name, tensor] : tensors) by.emplace(name, &tensor);
  for (const auto& entry : arena.entries()) {
    if (entry.offset < 0 || static_cast<std::size_t>(entry.offset) >= buffer.size()) continue;
    const auto found = by.find(entry.name);
    if (found == by.end())
      fail<IoError>("the checkpoint's {} lacks '{}'; it belongs to another model", what, entry.name);
    const std::vector<float> values = nn::from_file(*entry.parameter, *found->second);
    std::copy(values.begin(), values.end(), buffer.begin() + entry.offset);
  }
  host.write_back();
}

bool all_zero(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return v == 0.0f; });
}

// Leaves of a finished run's checkpoint what is needed to use it.
void strip(const std::filesystem::path& path, const Log& log) {
  if (!std::filesystem::exists(path)) return;
  Checkpoint c = Checkpoint::read(path);
  if (c.epoch < 0) return;
  c.epoch = -1;
  c.model.clear();
  c.gradients.clear();
  c.optimizer.clear();
  std::move(c).write(path);
  log.info("{}: optimizer stripped, {:.1f} MB", path.string(), double(std::filesystem::file_size(path)) / 1e6);
}

}  // namespace

std::string BaseTrainer::numerics() const {
  const Device device = stream_->device();
  return device.is_cuda() ? device.name() : kernels::cpu_instruction_set();
}

Checkpoint BaseTrainer::make_checkpoint() const {
  Checkpoint c;
  c.epoch = epoch_;
  if (const auto* detection = dynamic_cast<const DetectionModel*>(model_.get())) {
    c.model_text = detection->spec().yaml;
    c.strides = detection->strides();
  }
  c.names = data_.names;
  c.args_yaml = args_.to_yaml();
  const auto on_host = [&](float* data, std::size_t count) { return HostFloats(*stream_, data, count); };
  c.ema = nn::state_dict(*arena_, on_host(ema_.as(), arena_->values().size()).values());
  c.model = nn::state_dict(*arena_, on_host(arena_->values().data(), arena_->values().size()).values());
  if (const HostFloats grads = on_host(arena_->grads().data(), arena_->grads().size()); !all_zero(grads.values())) {
    c.gradients = by_name(*arena_, grads.values());
  }
  for (const nn::OptimState& state : optimizer_->states()) {
    const HostFloats values = on_host(state.data, static_cast<std::size_t>(state.count));
    c.optimizer.emplace_back(std::string(state.name), by_name(*arena_, values.values()));
  }
  c.momentum = optimizer_->groups().front().initial_momentum;
  c.steps = optimizer_->steps();
  c.updates = ema_decay_.updates();
  c.last_step = accumulation_.last_step();
  c.best_fitness = best_fitness_;
  c.fitness = fitness_;
  c.stopper_best = stopper_.best_fitness();
  c.stopper_epoch = stopper_.best_epoch();
  c.stopper_possible = stopper_.possible_stop();
  c.threads = stream_->threads();
  c.instruction_set = numerics();
  return c;
}

void BaseTrainer::write_weights(const std::filesystem::path& file, const NamedTensors& ema) const {
  const auto* detection = dynamic_cast<const DetectionModel*>(model_.get());
  write_safetensors(file, ema,
                    {{"yaml", detection ? detection->spec().yaml : ""}, {"names", nlohmann::json(data_.names).dump()}});
}

// last.pt is written last: it is what a resume starts from, so all that belongs to its epoch is there by then.
bool BaseTrainer::save_model() {
  try {
    Checkpoint checkpoint = make_checkpoint();
    const bool is_best = best_fitness_ == fitness_;
    if (is_best) write_weights(weights_dir_ / "best.safetensors", checkpoint.ema);
    write_weights(weights_dir_ / "last.safetensors", checkpoint.ema);
    plans_.write(*stream_);
    const PickleValue content = std::move(checkpoint).to_pickle();
    if (is_best) write_torch_file(best_, content);
    if (args_.save_period > 0 && epoch_ % args_.save_period == 0) {
      write_torch_file(weights_dir_ / ("epoch" + std::to_string(epoch_) + ".pt"), content);
    }
    write_torch_file(last_, content);
    return true;
  } catch (const IoError& error) {
    if (is_last_epoch() || stop_) throw;
    log_.warning("epoch {} is not saved: {}; training goes on", epoch_ + 1, error.what());
    return false;
  }
}

void BaseTrainer::restore(const Checkpoint& c) {
  from_names(*arena_, c.model, arena_->values(), "weights");
  from_names(*arena_, c.ema, {ema_.as(), arena_->values().size()}, "averages");
  for (const auto& [name, tensor] : c.model) {
    for (const auto& entry : arena_->entries()) {
      if (entry.offset < 0 && entry.name == name) entry.parameter->counter = *tensor.as<std::int64_t>();
    }
  }
  arena_->zero_grads();
  if (!c.gradients.empty()) from_names(*arena_, c.gradients, arena_->grads(), "gradients");
  for (const nn::OptimState& state : optimizer_->states()) {
    for (const auto& [name, tensors] : c.optimizer) {
      if (name == state.name)
        from_names(*arena_, tensors, {state.data, static_cast<std::size_t>(state.count)}, "optimizer");
    }
  }
  optimizer_->set_steps(c.steps);
  ema_decay_ = nn::EmaDecay(c.updates);
  accumulation_.set_last_step(c.last_step);
  best_fitness_ = c.best_fitness;
  fitness_ = c.fitness;
  stopper_.restore(c.stopper_best, c.stopper_epoch, c.stopper_possible);
  if (c.threads != stream_->threads() || c.instruction_set != numerics()) {
    log_.warning(
        "the checkpoint was made with {} threads on {}, this run has {} on {}: the numbers will differ in "
        "their last bits",
        c.threads, c.instruction_set, stream_->threads(), numerics());
  }
}

Metrics BaseTrainer::final_eval() {
  const std::filesystem::path file = std::filesystem::exists(best_) ? best_ : last_;
  log_.info("validating {}", file.string());
  from_names(*arena_, Checkpoint::read(file).ema, arena_->values(), "averages");
  Metrics metrics = run_validator(*val_loader_, false, args_.plots, DType::kF32);
  // last.pt comes last: until it is stripped, a run that was killed here can be resumed.
  for (const std::filesystem::path& path : {best_, last_}) strip(path, log_);
  log_.info("results saved to {}", save_dir_.string());
  return metrics;
}

}  // namespace boxcar
