// From a batch on the device to gradients: the part of a training step that is the same for every task.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/criterion/criterion.h"
#include "boxcar/nn/model/detection_model.h"
#include "boxcar/runtime/base/log.h"
#include "boxcar/runtime/device/recorded_work.h"

namespace boxcar {

/// Forward pass, loss and backward pass. On a GPU, batches that lie at the same place in the same shape are recorded
/// the third time they come, and from then on one launch does it all; without graphs the same kernels are launched one
/// by one and give the same bits. What runs on the host within a step (a module's forward(), a criterion) is not called
/// again by a launch: what it decided when it was recorded holds until forget_graphs().
class TrainStep {
 public:
  struct Parts {
    Stream& stream;
    Model& model;
    Criterion& criterion;
    const nn::ParamArena& arena;
    DType activations = DType::kF32;
    bool graphs = false;  // CUDA only
    const Log& log;
  };
  explicit TrainStep(const Parts& parts);

  /// Single numbers on the device, valid until the next run().
  struct DeviceLoss {
    Tensor total;
    std::vector<Tensor> items;
  };
  /// Adds the batch's gradients to those in the arena.
  DeviceLoss run(const Batch& batch);

  /// Runs `update` in the memory of steps; on a GPU with graphs it is recorded too. Its pointers must stay the same.
  void update(const std::function<void()>& update);

  /// After a change of what a recording holds: frozen layers, the loss's settings, a module's mind.
  void forget_graphs();
  /// Forgets the graphs and gives memory that is not in use back to the system. Steps may follow.
  void release_memory();
  /// Recordings there are, and the kernels of the one that was launched last.
  int graphs() const;
  int kernels() const { return kernels_; }
  /// Of the steps' temporary memory.
  const MemoryPool& memory() const { return *memory_; }

 private:
  struct Recording {
    TensorView images, targets;
    RecordedWork work{};
    DeviceLoss loss{};
    std::vector<std::int64_t> counted{};  // by a launch, of the model's counters
  };

  DeviceLoss differentiate(const Batch& batch);
  DeviceLoss run_recorded(const Batch& batch);
  Recording& recording_of(const Batch& batch);
  std::vector<std::int64_t> counters() const;
  void set_counters(const std::vector<std::int64_t>& values);
  bool may_record() const;
  void stop_recording(const char* why);

  Parts parts_;
  Tensor one_;
  std::shared_ptr<MemoryPool> memory_;
  std::list<Recording> recordings_;  // latest used first
  RecordedWork update_;
  int kernels_ = 0;
};

}  // namespace boxcar
