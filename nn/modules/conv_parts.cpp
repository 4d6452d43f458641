// ConvBnAct on two maps in place of their concat (kernels/conv/conv_enlarged.h).
#include "boxcar/kernels/conv/conv_enlarged.h"
#include "boxcar/nn/autograd/ops/structure.h"
#include "boxcar/nn/modules/conv.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::nn {

// The two maps, and their channels of the concat.
struct ConvBnAct::Parts {
  Value smaller, larger;
  Range smaller_of, larger_of;

  Parts(Context& context, std::span<const Value> inputs) {
    const bool first_is_smaller = inputs[0].shape().h < inputs[1].shape().h;
    const Value x[] = {cast(context, inputs[0], context.activations()),
                       cast(context, inputs[1], context.activations())};
    const Range of[] = {{0, x[0].shape().c}, {x[0].shape().c, x[1].shape().c}};
    smaller = x[first_is_smaller ? 0 : 1], smaller_of = of[first_is_smaller ? 0 : 1];
    larger = x[first_is_smaller ? 1 : 0], larger_of = of[first_is_smaller ? 1 : 0];
  }

  Shape concat() const {
    Shape shape = larger.shape();
    shape.c += smaller_of.count;
    return shape;
  }
  TensorView smaller_channels(const Tensor& weights) const {
    return weights.view().channels(smaller_of.first, smaller_of.count);
  }
  TensorView larger_channels(const Tensor& weights) const {
    return weights.view().channels(larger_of.first, larger_of.count);
  }
};

class ConvOfPartsNode final : public Node {
 public:
  ConvOfPartsNode(const ConvBnAct& module, ConvBnAct::Parts x, Value y, Tensor z, Tensor saved)
      : module_(module), x_(std::move(x)), y_(std::move(y)), z_(std::move(z)), saved_(std::move(saved)) {}
  const char* name() const override { return "conv_bn_act"; }

  void backward(Context& context) override {
    Gradient& dy = y_.grad();
    if (dy.empty()) return;
    Stream& stream = context.stream();
    const Parameter& weight = *module_.weight_;
    const Tensor dx = empty_gradient(stream, x_.larger), smaller_dx = empty_gradient(stream, x_.smaller);
    kernels::EnlargedConvBackwardArgs args{.conv = {.norm = module_.norm_backward(z_, saved_, dy),
                                                    .x = x_.larger.tensor(),
                                                    .w = x_.larger_channels(weight.value),
                                                    .options = module_.settings_.options(),
                                                    .mode = kernels::GradMode::kAdd},
                                           .smaller = {x_.smaller.tensor(), x_.smaller_channels(weight.value)}};
    if (dx) args.conv.dx = dx;
    if (smaller_dx) args.smaller_dx = smaller_dx;
    if (weight.trainable) {
      args.conv.dw = x_.larger_channels(weight.grad);
      args.smaller_dw = x_.smaller_channels(weight.grad);
    }
    kernels::enlarged_conv_norm_act_backward(stream, args);
    z_.reset();
    dy.release();
    if (dx) x_.larger.add_grad(stream, dx, Own::kExclusive);
    if (smaller_dx) x_.smaller.add_grad(stream, smaller_dx, Own::kExclusive);
  }

 private:
  // Not defined where x needs none.
  static Tensor empty_gradient(Stream& stream, const Value& x) {
    return x.requires_grad() ? Tensor::empty(stream, x.shape(), x.dtype()) : Tensor();
  }

  const ConvBnAct& module_;
  ConvBnAct::Parts x_;
  Value y_;
  Tensor z_, saved_;
};

bool ConvBnAct::takes_parts(std::span<const int> channels) const {
  return kernels::suits_enlarged_conv(settings_.options(), settings_.act, channels, out_);
}

Value ConvBnAct::forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) {
  if (inputs.size() == 1) return forward(context, inputs[0], {}, places);
  if (inputs.size() != 2)
    fail<ShapeError>("{}: takes a map, or two in place of their concat, not {}", name(), inputs.size());
  const Parts parts(context, inputs);
  return fused_ ? forward_fused_parts(context, parts, places) : forward_parts(context, parts, places);
}

Value ConvBnAct::forward_parts(Context& context, const Parts& x, std::span<const Place> places) {
  Stream& stream = context.stream();
  const kernels::Norm norm = this->norm(context.training());
  const Tensor saved = Tensor::empty(stream, {1, 1, 2, out_});
  const Shape concat = x.concat();
  const Tensor z = Tensor::empty(stream, {concat.n, concat.h, concat.w, out_});
  kernels::enlarged_conv_forward(stream, {.conv = {.x = x.larger.tensor(),
                                                   .w = x.larger_channels(weight_->value),
                                                   .y = z,
                                                   .options = settings_.options(),
                                                   .statistics = norm.statistics(saved.as())},
                                          .smaller = {x.smaller.tensor(), x.smaller_channels(weight_->value)}});
  count_conv(context.cost(), concat, z.shape(), settings_.options());
  const bool needs_grad = x.smaller.requires_grad() || x.larger.requires_grad() || any_trainable();
  Value y = activate(
      context, {.z = z, .norm = norm, .act = settings_.act, .residual = {}, .to = {}, .saved_mean_rstd = saved.as()},
      needs_grad, places);
  if (y.requires_grad()) context.record(std::make_unique<ConvOfPartsNode>(*this, x, y, z, saved));
  return y;
}

Value ConvBnAct::forward_fused_parts(Context& context, const Parts& x, std::span<const Place> places) {
  refuse_training_when_fused(context);
  const Shape concat = x.concat(), shape{concat.n, concat.h, concat.w, out_};
  std::vector<Value::Stored> parts = place(context, shape, x.larger.dtype(), places);
  kernels::enlarged_conv_act_forward(context.stream(),
                                     {.conv = {.x = x.larger.tensor(),
                                               .w = x.larger_channels(weight_->value),
                                               .bias = bias_->value.as(),
                                               .y = shape,
                                               .options = settings_.options(),
                                               .act = settings_.act,
                                               .to = destinations(parts),
                                               .cache = &larger_weights_},
                                      .smaller = {x.smaller.tensor(), x.smaller_channels(weight_->value)},
                                      .smaller_cache = &smaller_weights_});
  count_conv(context.cost(), concat, shape, settings_.options());
  return Value::stored(context, shape, std::move(parts), false);
}

}  // namespace boxcar::nn
