// Networks: what a trainer can train, and the detection model that a model file describes.
#pragma once

#include <memory>
#include <vector>

#include "boxcar/nn/criterion/criterion.h"
#include "boxcar/nn/model/layer_plan.h"
#include "boxcar/nn/model/model_spec.h"
#include "boxcar/nn/modules/detect.h"

namespace boxcar {

/// Anything trainable; it need not come from YAML.
class Model : public nn::Module {
 public:
  Model() = default;
  /// images [N,H,W,C] f32, 0..1.
  virtual Outputs forward(nn::Context& context, const nn::Value& images) = 0;
  virtual std::unique_ptr<Criterion> init_criterion() = 0;
  /// Called once when weights are loaded and before the model's values get their final place.
  virtual void prepare(Stream& /*stream*/) {}
};

/// A network with a Detect head. As it is, the one that the spec describes; a subclass may bring layers of
/// its own and override forward().
class DetectionModel : public Model {
 public:
  explicit DetectionModel(const ModelSpec& spec);
  ~DetectionModel() override;

  Outputs forward(nn::Context& context, const nn::Value& images) override;
  std::unique_ptr<Criterion> init_criterion() override;
  /// Boxes and probabilities for non-maximum suppression, [N,1,A,4+nc]: centre x, centre y, width, height in
  /// pixels of the network input, not clipped, then class probabilities. Override for a head of another kind.
  virtual nn::Value decode(nn::Context& context, const Outputs& outputs);

  /// Runs forward() on an empty 256 x 256 image: finds the head in use and its strides, and drops the
  /// spec's layers where forward() was overridden and does not use them.
  void prepare(Stream& stream) override;

  const ModelSpec& spec() const { return spec_; }
  /// Known after prepare().
  const std::vector<int>& strides() const { return head().strides(); }
  const nn::Detect& head() const;
  DetectionLossSettings loss_settings() const;
  void set_loss(kernels::LossGains gains, std::vector<float> class_weights);
  /// Names of the classes and what else a checkpoint tells of the model.
  void set_names(std::vector<std::string> names) { spec_.names = std::move(names); }

  /// Called with each layer's number and result during forward(), for tests that look inside.
  using Trace = std::function<void(int layer, const nn::Value& result)>;
  void set_trace(Trace trace) { trace_ = std::move(trace); }

 private:
  std::vector<int> probe_strides(Stream& stream);
  const LayerPlan& plan_for(const nn::Context& context) const;
  nn::Places places_for(const LayerPlan& plan, std::size_t layer, std::vector<nn::Wide>& wides) const;

  ModelSpec spec_;
  std::vector<std::unique_ptr<nn::Layer>> layers_;
  std::unique_ptr<nn::Detect> detect_;
  nn::Detect* head_ = nullptr;
  LayerPlan as_written_, joined_;  // the latter without the maps that joins spare
  kernels::LossGains gains_;
  std::vector<float> class_weights_;
  Trace trace_;
};

}  // namespace boxcar
