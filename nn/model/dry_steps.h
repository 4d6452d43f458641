// Training steps that are not computed: what a network would do and need, of any size, at once.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/model/detection_model.h"
#include "boxcar/nn/optim/optimizer.h"

namespace boxcar {

/// A model, its loss and its optimizer on a stream that only checks and counts (StreamOptions::dry_run).
class DrySteps {
 public:
  struct Setup {
    int channels = 3;  // of the images
    int imgsz = 640;   // a multiple of 32
    DType activations = DType::kBF16;
    nn::OptimizerSettings optimizer{};
    std::size_t kept_image_bytes = 0;  // of the data set's images that stay on the device
    /// Freezes what is not trained; may be empty.
    std::function<void(Model&, const nn::ParamArena&)> freeze{};
  };
  /// Of any model, which must not have been prepared.
  DrySteps(std::unique_ptr<Model> model, const Setup& setup);
  /// Of the network that the spec describes.
  DrySteps(const ModelSpec& spec, int imgsz, DType activations, const nn::OptimizerSettings& settings = {});

  /// Render, forward, loss, backward, and an update with averages.
  void run(int images);

  Stream& stream() { return stream_; }
  /// Of the last forward pass: its work, and the copy of the weights that it read (Context::rounded).
  const nn::Cost& forward_cost() const { return forward_cost_; }
  std::size_t rounded_bytes() const { return rounded_bytes_; }
  const nn::ParamArena& arena() const { return *arena_; }
  const nn::Optimizer& optimizer() const { return *optimizer_; }
  const Setup& setup() const { return setup_; }

 private:
  Tensor rendered(int images);
  void update();

  Stream stream_{Device::cpu(), {.dry_run = true}};
  Setup setup_;
  std::unique_ptr<Model> model_;
  std::optional<nn::ParamArena> arena_;
  std::optional<nn::Optimizer> optimizer_;
  std::unique_ptr<Criterion> criterion_;
  Tensor averages_;
  nn::Cost forward_cost_;
  std::size_t rounded_bytes_ = 0;
};

}  // namespace boxcar
