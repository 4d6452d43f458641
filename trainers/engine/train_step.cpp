#include "boxcar/trainers/engine/train_step.h"

#include <algorithm>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/profile/profiler.h"

namespace boxcar {
namespace {

constexpr std::size_t kMostRecordings = 24;  // multi_scale has 21 sizes at 640

bool same_place(const TensorView& a, const TensorView& b) { return a.data == b.data && a.shape() == b.shape(); }

}  // namespace

// Recorded work keeps its temporary memory, so on a GPU steps have a pool of their own.
TrainStep::TrainStep(const Parts& parts)
    : parts_(parts),
      one_(Tensor::from(parts.stream, {}, {1.0f})),
      memory_(parts.stream.device().is_cuda() ? std::make_shared<MemoryPool>(parts.stream.device())
                                              : parts.stream.pool()) {
  parts_.graphs = parts_.graphs && parts.stream.device().is_cuda();
}

// Ops are timed one by one: a launch of all of them would hide them.
bool TrainStep::may_record() const { return parts_.graphs && !parts_.stream.profiler(); }

TrainStep::DeviceLoss TrainStep::run(const Batch& batch) {
  const TraceRange range("step");
  if (may_record()) {
    try {
      return run_recorded(batch);
    } catch (const CannotRecord& error) {
      stop_recording(error.what());
    }
  }
  DeviceLoss loss;
  RecordedWork::issue(parts_.stream, memory_, [&] { loss = differentiate(batch); });
  return loss;
}

void TrainStep::update(const std::function<void()>& update) {
  if (may_record()) {
    try {
      update_.run(parts_.stream, memory_, update);
      return;
    } catch (const CannotRecord& error) {
      stop_recording(error.what());
    }
  }
  RecordedWork::issue(parts_.stream, memory_, update);
}

TrainStep::DeviceLoss TrainStep::differentiate(const Batch& batch) {
  Stream& stream = parts_.stream;
  const auto stage = [&](const char* name) { return ProfileScope(stream.profiler(), ScopeKind::kStage, name); };
  nn::Context context(stream, nn::Pass::kTrain, parts_.activations);
  Outputs outputs;
  {
    const ProfileScope scope = stage("model");
    outputs = parts_.model.forward(context, nn::Value(context, batch.images));
  }
  Loss loss;
  {
    const ProfileScope scope = stage("loss");
    loss = parts_.criterion(context, outputs, batch);
  }
  const ProfileScope scope = stage("gradients");
  loss.total.add_grad(stream, one_, nn::Own::kShared);
  context.backward();
  DeviceLoss values{loss.total.packed(), {}};
  for (const nn::Value& item : loss.items) values.items.push_back(item.packed());
  return values;
}

TrainStep::DeviceLoss TrainStep::run_recorded(const Batch& batch) {
  Recording& recording = recording_of(batch);
  const std::vector<std::int64_t> before = counters();
  try {
    const RecordedWork::Way way =
        recording.work.run(parts_.stream, memory_, [&] { recording.loss = differentiate(batch); });
    if (way == RecordedWork::Way::kRecorded) {
      recording.counted = counters();
      for (std::size_t i = 0; i < before.size(); ++i) recording.counted[i] -= before[i];
    }
    if (way == RecordedWork::Way::kReplayed) {
      std::vector<std::int64_t> after = before;
      for (std::size_t i = 0; i < after.size(); ++i) after[i] += recording.counted[i];
      set_counters(after);
    }
    if (way != RecordedWork::Way::kIssued) kernels_ = recording.work.kernels();
  } catch (...) {
    set_counters(before);
    recordings_.pop_front();
    throw;
  }
  DeviceLoss loss = recording.loss;
  if (!recording.work.recorded()) recording.loss = {};  // memory for the next step
  return loss;
}

TrainStep::Recording& TrainStep::recording_of(const Batch& batch) {
  const TensorView images = batch.images, targets = batch.targets;
  const auto found = std::ranges::find_if(
      recordings_, [&](const Recording& r) { return same_place(r.images, images) && same_place(r.targets, targets); });
  if (found != recordings_.end()) {
    recordings_.splice(recordings_.begin(), recordings_, found);
  } else {
    if (recordings_.size() == kMostRecordings) recordings_.pop_back();
    recordings_.push_front({images, targets});
  }
  return recordings_.front();
}

std::vector<std::int64_t> TrainStep::counters() const {
  std::vector<std::int64_t> values;
  for (const auto& entry : parts_.arena.entries()) {
    if (entry.parameter->kind == nn::StateKind::kCounter) values.push_back(entry.parameter->counter);
  }
  return values;
}

void TrainStep::set_counters(const std::vector<std::int64_t>& values) {
  std::size_t i = 0;
  for (const auto& entry : parts_.arena.entries()) {
    if (entry.parameter->kind == nn::StateKind::kCounter) entry.parameter->counter = values[i++];
  }
}

void TrainStep::stop_recording(const char* why) {
  parts_.graphs = false;
  forget_graphs();
  parts_.log.warning("steps run without CUDA graphs from here on: {}", why);
}

void TrainStep::forget_graphs() {
  for (Recording& recording : recordings_) {
    recording.work.forget();
    recording.loss = {};
  }
  update_.forget();
}

void TrainStep::release_memory() {
  recordings_.clear();
  update_ = {};
  memory_->release_unused();
}

int TrainStep::graphs() const {
  return static_cast<int>(std::ranges::count_if(recordings_, [](const Recording& r) { return r.work.recorded(); }) +
                          update_.recorded());
}

}  // namespace boxcar
