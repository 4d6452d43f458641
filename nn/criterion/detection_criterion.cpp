#include <typeinfo>

#include "boxcar/nn/criterion/detection_maps.h"
#include "boxcar/nn/model/detection_model.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

/// Box and class gradients of each level, which alternate in the list.
kernels::DetectionGrads level_grads(const std::vector<Tensor>& grads) {
  kernels::DetectionGrads levels;
  for (std::size_t i = 0; i + 1 < grads.size(); i += 2) levels.push_back({grads[i], grads[i + 1]});
  return levels;
}

/// One of several numbers, packed: whoever reads it needs no kernel to gather it.
Tensor number_at(const Tensor& numbers, int i) {
  return Tensor::wrap({numbers.as() + i, DType::kF32, 1, 1, 1, 1, 1}, std::make_shared<Tensor>(numbers));
}

// Value and gradient come out of one op in the forward pass; backward hands the gradients on. What they are to be
// multiplied with stays on the device.
class DetectionLossNode final : public nn::Node {
 public:
  DetectionLossNode(Outputs outputs, std::vector<Tensor> grads, nn::Value total)
      : outputs_(std::move(outputs)), grads_(std::move(grads)), total_(std::move(total)) {}
  const char* name() const override { return "detection_loss"; }

  void backward(nn::Context& context) override {
    if (total_.grad().empty()) return;
    Stream& stream = context.stream();
    kernels::scale_loss_gradients(stream, {level_grads(grads_), total_.grad().as_one(stream)});
    for (std::size_t i = 0; i < outputs_.size(); ++i) outputs_[i].add_grad(stream, grads_[i], nn::Own::kExclusive);
  }

 private:
  Outputs outputs_;
  std::vector<Tensor> grads_;
  nn::Value total_;
};

}  // namespace

std::vector<std::string> DetectionCriterion::names() const {
  return {"box_loss", "cls_loss", settings_.reg_max > 1 ? "dfl_loss" : "l1_loss"};
}

void DetectionCriterion::attach(const Model& model) {
  const auto* detection = dynamic_cast<const DetectionModel*>(&model);
  if (!detection) fail<ModelError>("the detection loss needs a DetectionModel; give the model a criterion of its own");
  set_settings(detection->loss_settings());
}

// An override may call the term it replaces, and may do so only at times: nothing but the class tells from the first
// batch on that all terms are the kernel's.
Loss DetectionCriterion::operator()(nn::Context& context, const Outputs& outputs, const Batch& batch) {
  return typeid(*this) == typeid(DetectionCriterion) ? by_kernel(context, outputs, batch)
                                                     : by_ops(context, outputs, batch);
}

void DetectionCriterion::set_settings(DetectionLossSettings settings) {
  settings_ = std::move(settings);
  class_weights_.reset();
}

Tensor DetectionCriterion::class_weights(Stream& stream) {
  if (!class_weights_ && !settings_.class_weights.empty()) {
    const auto nc = static_cast<int>(settings_.class_weights.size());
    class_weights_ = Tensor::from(stream, {1, 1, 1, nc}, settings_.class_weights);
  }
  return class_weights_;
}

Loss DetectionCriterion::by_kernel(nn::Context& context, const Outputs& outputs, const Batch& batch) {
  Stream& stream = context.stream();
  const Tensor items = Tensor::empty(stream, {1, 1, 1, 3}), total = Tensor::empty(stream, {});
  std::vector<Tensor> grads;
  if (context.training()) {
    for (const nn::Value& output : outputs) grads.push_back(Tensor::empty(stream, output.shape()));
  }
  kernels::detection_loss(stream, {.levels = detection_levels(outputs, settings_.strides),
                                   .reg_max = settings_.reg_max,
                                   .targets = batch.targets,
                                   .gains = settings_.gains,
                                   .class_weights = class_weights(stream),
                                   .grads = level_grads(grads),
                                   .items = items,
                                   .total = total});
  Loss result{nn::Value(context, total, context.training()), {}};
  for (int i = 0; i < 3; ++i) result.items.emplace_back(context, number_at(items, i));
  if (context.training()) {
    context.record(std::make_unique<DetectionLossNode>(outputs, std::move(grads), result.total));
  }
  return result;
}

}  // namespace boxcar
