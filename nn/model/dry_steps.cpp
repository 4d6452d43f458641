#include "boxcar/nn/model/dry_steps.h"

#include <vector>

#include "boxcar/kernels/render/render.h"
#include "boxcar/runtime/profile/profiler.h"

namespace boxcar {

DrySteps::DrySteps(const ModelSpec& spec, int imgsz, DType activations, const nn::OptimizerSettings& settings)
    : DrySteps(std::make_unique<DetectionModel>(spec), {spec.channels, imgsz, activations, settings}) {}

DrySteps::DrySteps(std::unique_ptr<Model> model, const Setup& setup) : setup_(setup), model_(std::move(model)) {
  model_->prepare(stream_);
  arena_.emplace(*model_, stream_, 0);
  if (setup_.freeze) setup_.freeze(*model_, *arena_);
  averages_ = Tensor::empty(stream_, arena_->values_tensor().shape());
  optimizer_.emplace(stream_, setup_.optimizer, nn::optim_params(*arena_), arena_->parameter_count(),
                     static_cast<std::int64_t>(arena_->values().size()));
  criterion_ = model_->init_criterion();
  criterion_->attach(*model_);
}

void DrySteps::run(int images) {
  const Batch batch{rendered(images), Tensor::empty(stream_, {1, 1, images, 6})};
  nn::Context context(stream_, nn::Pass::kTrain, setup_.activations);
  const Outputs outputs = model_->forward(context, nn::Value(context, batch.images));
  forward_cost_ = context.cost();
  rounded_bytes_ = context.rounded_bytes();
  const Loss loss = (*criterion_)(context, outputs, batch);
  loss.total.add_grad(stream_, Tensor::from(stream_, {}, {1.0f}), nn::Own::kExclusive);
  context.backward();
  update();
}

Tensor DrySteps::rendered(int images) {
  const std::vector<kernels::RenderPlan> plans(static_cast<std::size_t>(images));
  const Tensor out = Tensor::empty(stream_, {images, setup_.imgsz, setup_.imgsz, setup_.channels}, setup_.activations);
  if (setup_.channels == 3) kernels::render(stream_, {plans, {}, out});  // pictures of other kinds come from elsewhere
  return out;
}

void DrySteps::update() {
  optimizer_->begin_step(stream_);
  const float* grads = arena_->grads().data();
  optimizer_->step(stream_, {.values = arena_->values().data(),
                             .grads = grads,
                             .norm = optimizer_->measure(stream_, grads),
                             .averages = averages_.as()});
  const ProfileScope fill(stream_.profiler(), ScopeKind::kOp, "zero_grads",
                          {static_cast<std::int64_t>(arena_->grads().size_bytes()), 0, 0});
  arena_->zero_grads();
}

}  // namespace boxcar
