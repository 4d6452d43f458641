#include "boxcar/nn/modules/conv.h"

#include <algorithm>
#include <cmath>

#include "boxcar/kernels/common/copy.h"
#include "boxcar/kernels/conv/conv_act.h"
#include "boxcar/kernels/conv/conv_norm_act_backward.h"
#include "boxcar/nn/autograd/ops/structure.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::nn {
namespace {

constexpr float kNormEps = 1e-3f, kNormMomentum = 0.03f;

Parameter weight_parameter(std::string name, int in, int out, const kernels::ConvOptions& options) {
  const Shape shape = kernels::conv_weight_shape(in, out, options);
  const bool depthwise = options.groups > 1 && options.groups == in && in == out;
  const int fan_in = in / options.groups * options.kernel * options.kernel;
  return {.name = std::move(name),
          .layout = depthwise ? FileLayout::kDepthwiseWeight : FileLayout::kConvWeight,
          .shape = shape,
          .init = Init::kUniformFanIn,
          .init_value = static_cast<float>(fan_in)};
}

Parameter vector_parameter(std::string name, int channels, float value) {
  return {.name = std::move(name), .shape = {1, 1, 1, channels}, .init_value = value};
}

Parameter norm_parameter(std::string name, int channels, float value) {
  Parameter p = vector_parameter(std::move(name), channels, value);
  p.is_norm = true;
  return p;
}

Parameter buffer(std::string name, int channels, float value) {
  Parameter p = vector_parameter(std::move(name), channels, value);
  p.kind = StateKind::kBuffer;
  p.trainable = false;
  return p;
}

Parameter counter(std::string name) {
  return {.name = std::move(name), .kind = StateKind::kCounter, .shape = {1, 1, 1, 0}, .trainable = false};
}

Tensor as_type(Stream& stream, const Tensor& tensor, DType dtype) {
  if (tensor.dtype() == dtype) return tensor;
  const Tensor other = Tensor::empty(stream, tensor.shape(), dtype);
  kernels::copy(stream, {tensor, other});
  return other;
}

// y = conv(x) + bias, f32 whatever the type of x. The output's gradient is dz itself.
class ConvNode final : public Node {
 public:
  ConvNode(Value x, Value y, Parameter& weight, Parameter& bias, kernels::ConvOptions options)
      : x_(std::move(x)), y_(std::move(y)), weight_(weight), bias_(bias), options_(options) {}
  const char* name() const override { return "conv"; }

  void backward(Context& context) override {
    if (y_.grad().empty()) return;
    Stream& stream = context.stream();
    const Tensor dy = as_type(stream, y_.grad().as_one(stream), x_.dtype());
    if (weight_.trainable) {
      kernels::conv_backward_weight(stream, {x_.packed(), dy, weight_.grad, bias_.trainable ? bias_.grad.as() : nullptr,
                                             options_, kernels::GradMode::kAdd});
    }
    if (!x_.requires_grad()) return;
    const Tensor dx = Tensor::empty(stream, x_.shape(), x_.dtype());
    kernels::conv_backward_input(stream, {dy, weight_.value, dx, options_, context.rounded(weight_)});
    x_.add_grad(stream, dx, Own::kExclusive);
  }

 private:
  Value x_, y_;
  Parameter &weight_, &bias_;
  kernels::ConvOptions options_;
};

}  // namespace

void count_conv(Cost& cost, Shape x, Shape y, const kernels::ConvOptions& o) {
  cost.conv_multiply_adds += y.count() * (x.c / o.groups) * o.kernel * o.kernel;
  cost.conv_inputs += x.count();
  cost.conv_outputs += y.count();
}

kernels::ConvOptions ConvSettings::options() const {
  const int extent = dilation * (kernel - 1) + 1;
  return {kernel, stride, padding == kAutoPadding ? extent / 2 : padding, dilation, groups};
}

Conv::Conv(Module* parent, std::string name, int in, int out, ConvSettings settings, float bias_init)
    : Module(parent, std::move(name)),
      settings_(settings),
      out_(out),
      weight_(declare(weight_parameter("weight", in, out, settings.options()))),
      bias_(declare(vector_parameter("bias", out, bias_init))) {}

Value Conv::forward(Context& context, const Value& input) {
  const kernels::ConvOptions options = settings_.options();
  // Dense convolutions add up in f32 and keep it: a head's bins and logits need the digits.
  const bool dense = weight_.layout != FileLayout::kDepthwiseWeight;
  const Value x = cast(context, input, dense ? context.activations() : DType::kF32);
  const Tensor y = Tensor::empty(context.stream(), kernels::conv_output_shape(x.shape(), out_, options));
  kernels::conv_forward(context.stream(), {.x = x.packed(),
                                           .w = weight_.value,
                                           .bias = bias_.value.as(),
                                           .y = y,
                                           .options = options,
                                           .rounded = context.rounded(weight_)});
  count_conv(context.cost(), x.shape(), y.shape(), options);
  const bool needs_grad = x.requires_grad() || weight_.trainable || bias_.trainable;
  Value value(context, y, needs_grad);
  if (value.requires_grad()) context.record(std::make_unique<ConvNode>(x, value, weight_, bias_, options));
  return value;
}

class ConvBnActNode final : public Node {
 public:
  ConvBnActNode(const ConvBnAct& module, Value x, std::optional<Value> residual, Value y, Tensor z, Tensor saved)
      : module_(module),
        x_(std::move(x)),
        residual_(std::move(residual)),
        y_(std::move(y)),
        z_(std::move(z)),
        saved_(std::move(saved)) {}
  const char* name() const override { return "conv_bn_act"; }

  void backward(Context& context) override {
    Gradient& dy = y_.grad();
    if (dy.empty()) return;
    Stream& stream = context.stream();
    kernels::ConvNormActBackwardArgs args = arguments(dy);
    const bool fused = kernels::can_fuse_backward(stream, args);
    Tensor dz, dx;
    if (fused) {
      dx = empty_dx(stream);
      if (dx) args.dx = dx;
      kernels::conv_norm_act_backward(stream, args);
    } else {
      dz = Tensor::empty(stream, z_.shape(), z_.dtype());
      args.norm.dz = dz;
      kernels::norm_act_backward(stream, args.norm);
    }
    z_.reset();
    if (residual_) {
      for (const Gradient::Piece& piece : dy.list()) residual_->add_grad(stream, piece.of, piece.tensor, Own::kShared);
    }
    dy.release();
    if (!fused) dx = backward_conv(context, args, dz);
    if (dx) x_.add_grad(stream, dx, Own::kExclusive);
  }

 private:
  kernels::ConvNormActBackwardArgs arguments(const Gradient& dy) const {
    const Parameter& weight = *module_.weight_;
    kernels::ConvNormActBackwardArgs args{.norm = module_.norm_backward(z_, saved_, dy),
                                          .x = x_.packed(),
                                          .w = weight.value,
                                          .options = module_.settings_.options(),
                                          .mode = kernels::GradMode::kAdd};
    if (weight.trainable) args.dw = weight.grad;
    return args;
  }

  // Not defined where x needs no gradient.
  Tensor empty_dx(Stream& stream) const {
    return x_.requires_grad() ? Tensor::empty(stream, x_.shape(), x_.dtype()) : Tensor();
  }

  Tensor backward_conv(Context& context, const kernels::ConvNormActBackwardArgs& args, const Tensor& dz) const {
    Stream& stream = context.stream();
    if (args.dw) kernels::conv_backward_weight(stream, {args.x, dz, *args.dw, nullptr, args.options, args.mode});
    const Tensor dx = empty_dx(stream);
    if (dx) kernels::conv_backward_input(stream, {dz, args.w, dx, args.options, context.rounded(*module_.weight_)});
    return dx;
  }

  const ConvBnAct& module_;
  Value x_;
  std::optional<Value> residual_;
  Value y_;
  Tensor z_, saved_;
};

ConvBnAct::ConvBnAct(Module* parent, std::string name, int in, int out, ConvSettings settings)
    : Layer(parent, std::move(name)), in_(in), out_(out), settings_(settings) {
  weight_ = &declare(weight_parameter("conv.weight", in, out, settings.options()));
  gamma_ = &declare(norm_parameter("bn.weight", out, 1));
  beta_ = &declare(norm_parameter("bn.bias", out, 0));
  mean_ = &declare(buffer("bn.running_mean", out, 0));
  var_ = &declare(buffer("bn.running_var", out, 1));
  batches_ = &declare(counter("bn.num_batches_tracked"));
}

kernels::Norm ConvBnAct::norm(bool training) const {
  return {.gamma = gamma_->value.as(),
          .beta = beta_->value.as(),
          .running_mean = mean_->value.as(),
          .running_var = var_->value.as(),
          .eps = kNormEps,
          .momentum = kNormMomentum,
          .batch_stats = training && !frozen_};
}

bool ConvBnAct::any_trainable() const {
  return weight_->trainable || (gamma_ && (gamma_->trainable || beta_->trainable));
}

Tensor ConvBnAct::convolve(Context& context, const Tensor& x, const kernels::BatchStatistics& statistics) const {
  Stream& stream = context.stream();
  const kernels::ConvOptions options = settings_.options();
  const Tensor z = Tensor::empty(stream, kernels::conv_output_shape(x.shape(), out_, options), x.dtype());
  kernels::conv_forward(stream, {.x = x,
                                 .w = weight_->value,
                                 .y = z,
                                 .options = options,
                                 .statistics = statistics,
                                 .rounded = context.rounded(*weight_)});
  return z;
}

Value ConvBnAct::forward(Context& context, const Value& x, const std::optional<Value>& residual,
                         std::span<const Place> places) {
  const DType dtype = context.activations();
  if (x.dtype() != dtype) return forward(context, cast(context, x, dtype), residual, places);
  if (residual && residual->dtype() != dtype) return forward(context, x, cast(context, *residual, dtype), places);
  if (fused_) return forward_fused(context, x, residual, places);
  Stream& stream = context.stream();
  const kernels::Norm norm = this->norm(context.training());
  const Tensor saved = Tensor::empty(stream, {1, 1, 2, out_});
  const Tensor z = convolve(context, x.packed(), norm.statistics(saved.as()));
  count_conv(context.cost(), x.shape(), z.shape(), settings_.options());
  kernels::NormActForwardArgs args{
      .z = z, .norm = norm, .act = settings_.act, .residual = {}, .to = {}, .saved_mean_rstd = saved.as()};
  if (residual) args.residual = residual->tensor().view();
  const bool needs_grad = x.requires_grad() || any_trainable() || (residual && residual->requires_grad());
  Value y = activate(context, args, needs_grad, places);
  if (y.requires_grad()) context.record(std::make_unique<ConvBnActNode>(*this, x, residual, y, z, saved));
  return y;
}

// y at its places, from args without them.
Value ConvBnAct::activate(Context& context, const kernels::NormActForwardArgs& args, bool needs_grad,
                          std::span<const Place> places) {
  const Shape shape = args.z.shape();
  std::vector<Value::Stored> parts = place(context, shape, args.z.dtype, places);
  kernels::NormActForwardArgs placed = args;
  placed.to = destinations(parts);
  kernels::norm_act_forward(context.stream(), placed);
  context.cost().norm_elements += shape.count();
  if (args.norm.batch_stats) ++batches_->counter;
  return Value::stored(context, shape, std::move(parts), needs_grad);
}

kernels::NormActBackwardArgs ConvBnAct::norm_backward(const Tensor& z, const Tensor& saved, const Gradient& dy) const {
  return {.z = z,
          .norm = norm(true),
          .saved_mean_rstd = saved.as(),
          .act = settings_.act,
          .from = dy.pieces(),
          .dz = {},
          .dgamma = gamma_->trainable ? gamma_->grad.as() : nullptr,
          .dbeta = beta_->trainable ? beta_->grad.as() : nullptr,
          .mode = kernels::GradMode::kAdd};
}

void ConvBnAct::refuse_training_when_fused(const Context& context) const {
  if (!context.training()) return;
  fail<ModelError>("a fused model cannot be trained: its batch norms are gone; load the unfused weights");
}

Value ConvBnAct::forward_fused(Context& context, const Value& x, const std::optional<Value>& residual,
                               std::span<const Place> places) {
  refuse_training_when_fused(context);
  const kernels::ConvOptions options = settings_.options();
  const Shape shape = kernels::conv_output_shape(x.shape(), out_, options);
  std::vector<Value::Stored> parts = place(context, shape, x.dtype(), places);
  kernels::ConvActArgs args{.x = x.packed(),
                            .w = weight_->value,
                            .bias = bias_->value.as(),
                            .y = shape,
                            .options = options,
                            .act = settings_.act,
                            .to = destinations(parts),
                            .cache = &fused_weights_};
  if (residual) args.residual = residual->tensor().view();
  kernels::conv_act_forward(context.stream(), args);
  count_conv(context.cost(), x.shape(), shape, options);
  return Value::stored(context, shape, std::move(parts), false);
}

FoldedNorm folded_norm(const std::vector<float>& gamma, const std::vector<float>& beta, const std::vector<float>& mean,
                       const std::vector<float>& var, float eps) {
  FoldedNorm folded;
  for (std::size_t c = 0; c < gamma.size(); ++c) {
    const float scale = gamma[c] / std::sqrt(var[c] + eps);
    folded.scale.push_back(scale);
    folded.bias.push_back(beta[c] - mean[c] * scale);
  }
  return folded;
}

void ConvBnAct::fuse(Stream& stream) {
  if (fused_) return;
  const auto values = [&](const Parameter* p) { return p->value.to_host(stream); };
  const FoldedNorm folded = folded_norm(values(gamma_), values(beta_), values(mean_), values(var_), kNormEps);
  std::vector<float> weight = values(weight_);
  const auto channels = static_cast<std::size_t>(out_);
  const bool depthwise = weight_->layout == FileLayout::kDepthwiseWeight;
  const std::size_t per_output = weight.size() / channels;
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] *= folded.scale[depthwise ? i % channels : i / per_output];

  Parameter new_weight = weight_parameter("conv.weight", in_, out_, settings_.options());
  Parameter new_bias = vector_parameter("conv.bias", out_, 0);
  new_weight.value = Tensor::from(stream, new_weight.shape, weight);
  new_bias.value = Tensor::from(stream, new_bias.shape, folded.bias);
  new_weight.trainable = new_bias.trainable = false;
  undeclare_all();
  weight_ = &declare(std::move(new_weight));
  bias_ = &declare(std::move(new_bias));
  gamma_ = beta_ = mean_ = var_ = batches_ = nullptr;
  fused_weights_.identity = kernels::identity_norm(stream, out_);
  fused_ = true;
}

}  // namespace boxcar::nn
