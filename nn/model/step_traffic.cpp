#include "boxcar/nn/model/step_traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "boxcar/kernels/render/render.h"
#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/model/detection_model.h"
#include "boxcar/nn/optim/optimizer.h"
#include "boxcar/runtime/profile/profiler.h"

namespace boxcar {
namespace {

using Rows = std::map<std::string, Profiler::Row>;

/// Training steps of a model, none of which is computed.
class DrySteps {
 public:
  DrySteps(const ModelSpec& spec, int imgsz, DType activations)
      : spec_(spec), imgsz_(imgsz), activations_(activations), model_(spec) {
    model_.prepare(stream_);
    arena_.emplace(model_, stream_, 0);
    averages_ = Tensor::empty(stream_, arena_->values_tensor().shape());
    optimizer_.emplace(stream_, nn::OptimizerSettings{}, nn::optim_params(*arena_), arena_->parameter_count(),
                       static_cast<std::int64_t>(arena_->values().size()));
    criterion_ = model_.init_criterion();
    criterion_->attach(model_);
  }

  /// What a step with so many images costs.
  Rows cost(int images) {
    Profiler profiler;
    stream_.set_profiler(&profiler);
    run(images);
    stream_.set_profiler(nullptr);
    Rows rows;
    for (const Profiler::Row& row : profiler.rows()) rows[row.name] = row;
    return rows;
  }

  /// Of the last forward pass.
  const nn::Cost& forward_cost() const { return forward_cost_; }

 private:
  void run(int images) {
    const Batch batch{rendered(images), Tensor::empty(stream_, {1, 1, images, 6})};
    nn::Context context(stream_, nn::Pass::kTrain, activations_);
    const Outputs outputs = model_.forward(context, nn::Value(context, batch.images));
    forward_cost_ = context.cost();
    const Loss loss = (*criterion_)(context, outputs, batch);
    loss.total.add_grad(stream_, Tensor::from(stream_, {}, {1.0f}), nn::Own::kExclusive);
    context.backward();
    update();
  }

  Tensor rendered(int images) {
    const std::vector<kernels::RenderPlan> plans(static_cast<std::size_t>(images));
    const Tensor out = Tensor::empty(stream_, {images, imgsz_, imgsz_, spec_.channels}, activations_);
    if (spec_.channels == 3) kernels::render(stream_, {plans, {}, out});  // pictures of other kinds come from elsewhere
    return out;
  }

  void update() {
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

std::string mega(std::int64_t bytes) { return fmt::format("{:.2f}", static_cast<double>(bytes) * 1e-6); }

std::string table_row(const StepTraffic::Op& op) {
  const bool tells = op.bytes_an_image != 0 || op.bytes_a_step != 0;
  return fmt::format("{:<28}{:>7}{:>10}{:>14}{:>14}\n", op.name, op.calls, op.launches,
                     tells ? mega(op.bytes_an_image) : "?", tells ? mega(op.bytes_a_step) : "?");
}

}  // namespace

StepTraffic::Op StepTraffic::total() const {
  Op sum{.name = "all"};
  for (const Op& op : ops) {
    sum.calls += op.calls;
    sum.launches += op.launches;
    sum.bytes_an_image += op.bytes_an_image;
    sum.bytes_a_step += op.bytes_a_step;
  }
  return sum;
}

std::int64_t StepTraffic::fused_bytes_an_image() const {
  return (3 * conv_inputs + 10 * conv_outputs) * static_cast<std::int64_t>(size_of(activations));
}

// Costs are sums of terms that do not depend on the number of images and of terms that are proportional to it.
StepTraffic step_traffic(const ModelSpec& spec, int imgsz, DType activations) {
  DrySteps steps(spec, imgsz, activations);
  const Rows two = steps.cost(2), three = steps.cost(3);
  const nn::Cost& forward = steps.forward_cost();
  StepTraffic traffic{{}, forward.conv_inputs / 3, forward.conv_outputs / 3, activations};
  for (const auto& [name, row] : two) {
    const std::int64_t an_image = three.at(name).cost.bytes - row.cost.bytes;
    traffic.ops.push_back({name, row.calls, row.cost.launches, an_image, row.cost.bytes - 2 * an_image});
  }
  std::ranges::stable_sort(traffic.ops, std::greater(), &StepTraffic::Op::bytes_an_image);
  return traffic;
}

std::string traffic_table(const StepTraffic& traffic, int imgsz) {
  std::string table = fmt::format("one training step at {} x {} in {}, not computed but counted\n", imgsz, imgsz,
                                  name_of(traffic.activations));
  table += fmt::format("{:<28}{:>7}{:>10}{:>14}{:>14}\n", "op", "calls", "launches", "MB an image", "MB a step");
  for (const StepTraffic::Op& op : traffic.ops) table += table_row(op);
  const StepTraffic::Op all = traffic.total();
  table += table_row(all);
  const auto bound = static_cast<double>(traffic.fused_bytes_an_image());
  return table + fmt::format("3 I + 10 Z of its convolutions: {:.2f} MB an image; {:.3f} of that is moved\n",
                             bound * 1e-6, static_cast<double>(all.bytes_an_image) / bound);
}

}  // namespace boxcar
