#include <typeinfo>

#include "boxcar/nn/criterion/detection_maps.h"
#include "boxcar/nn/model/detection_model.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

// Value and gradient come out of one op in the forward pass; backward hands the gradients on.
class DetectionLossNode final : public nn::Node {
 public:
  DetectionLossNode(Outputs outputs, std::vector<Tensor> grads, nn::Value total, kernels::DetectionLossArgs args,
                    std::vector<Tensor> kept)
      : outputs_(std::move(outputs)),
        grads_(std::move(grads)),
        total_(std::move(total)),
        args_(args),
        kept_(std::move(kept)) {}
  const char* name() const override { return "detection_loss"; }

  void backward(nn::Context& context) override {
    if (total_.grad().empty()) return;
    Stream& stream = context.stream();
    const float scale = total_.grad().as_one(stream).to_host(stream)[0];
    if (scale != 1.0f) {
      args_.grad_scale = scale;
      kernels::detection_loss(stream, args_);
    }
    for (std::size_t i = 0; i < outputs_.size(); ++i) outputs_[i].add_grad(stream, grads_[i], nn::Own::kExclusive);
  }

 private:
  Outputs outputs_;
  std::vector<Tensor> grads_;
  nn::Value total_;
  kernels::DetectionLossArgs args_;
  std::vector<Tensor> kept_;  // what the arguments point to
};

}  // namespace

std::vector<std::string> DetectionCriterion::names() const {
  return {"box_loss", "cls_loss", settings_.reg_max > 1 ? "dfl_loss" : "l1_loss"};
}

void DetectionCriterion::attach(const Model& model) {
  const auto* detection = dynamic_cast<const DetectionModel*>(&model);
  if (!detection) fail<ModelError>("the detection loss needs a DetectionModel; give the model a criterion of its own");
  settings_ = detection->loss_settings();
}

// An override may call the term it replaces, and may do so only at times: nothing but the class tells from the first
// batch on that all terms are the kernel's.
Loss DetectionCriterion::operator()(nn::Context& context, const Outputs& outputs, const Batch& batch) {
  return typeid(*this) == typeid(DetectionCriterion) ? by_kernel(context, outputs, batch)
                                                     : by_ops(context, outputs, batch);
}

Loss DetectionCriterion::by_kernel(nn::Context& context, const Outputs& outputs, const Batch& batch) const {
  Stream& stream = context.stream();
  const Tensor items = Tensor::empty(stream, {1, 1, 1, 3}), loss = Tensor::empty(stream, {1, 1, 1, 3});
  std::vector<Tensor> kept{items, loss, batch.targets};
  kernels::DetectionLossArgs args{.levels = detection_levels(outputs, settings_.strides),
                                  .reg_max = settings_.reg_max,
                                  .targets = batch.targets,
                                  .gains = settings_.gains,
                                  .items = items,
                                  .loss = loss};
  if (!settings_.class_weights.empty()) {
    const auto nc = static_cast<int>(settings_.class_weights.size());
    kept.push_back(Tensor::from(stream, {1, 1, 1, nc}, settings_.class_weights));
    args.class_weights = kept.back();
  }
  std::vector<Tensor> grads;
  if (context.training()) {
    for (const nn::Value& output : outputs) grads.push_back(Tensor::empty(stream, output.shape()));
    for (std::size_t i = 0; i + 1 < grads.size(); i += 2) args.grads.push_back({grads[i], grads[i + 1]});
  }
  kernels::detection_loss(stream, args);

  const std::vector<float> vector = loss.to_host(stream);
  const Tensor total = Tensor::from(stream, {}, {vector[0] + vector[1] + vector[2]});
  Loss result{nn::Value(context, total, context.training()), {}};
  for (int i = 0; i < 3; ++i) result.items.emplace_back(context, items.channels(i, 1));
  if (context.training()) {
    context.record(std::make_unique<DetectionLossNode>(outputs, std::move(grads), result.total, args, std::move(kept)));
  }
  return result;
}

}  // namespace boxcar
