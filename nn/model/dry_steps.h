// Training steps that are not computed: what a network would do and need, of any size, at once.
#pragma once

#include <memory>
#include <optional>

#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/model/detection_model.h"
#include "boxcar/nn/optim/optimizer.h"

namespace boxcar {

/// A model, its loss and its optimizer on a stream that only checks and counts (StreamOptions::dry_run).
class DrySteps {
 public:
  DrySteps(const ModelSpec& spec, int imgsz, DType activations, const nn::OptimizerSettings& settings = {});

  /// Render, forward, loss, backward, and an update with averages.
  void run(int images);

  Stream& stream() { return stream_; }
  /// Of the last forward pass.
  const nn::Cost& forward_cost() const { return forward_cost_; }
  const nn::ParamArena& arena() const { return *arena_; }
  const nn::Optimizer& optimizer() const { return *optimizer_; }

 private:
  Tensor rendered(int images);
  void update();

  Stream stream_{Device::cpu(), {.dry_run = true}};
  const ModelSpec& spec_;
  int imgsz_;
  DType activations_;
  DetectionModel model_;
  std::optional<nn::ParamArena> arena_;
  std::optional<nn::Optimizer> optimizer_;
  std::unique_ptr<Criterion> criterion_;
  Tensor averages_;
  nn::Cost forward_cost_;
};

}  // namespace boxcar
