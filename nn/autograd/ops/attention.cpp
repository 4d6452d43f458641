#include "boxcar/nn/autograd/ops/attention.h"

#include "boxcar/nn/autograd/ops/structure.h"

namespace boxcar::nn {
namespace {

class AttentionNode final : public Node {
 public:
  AttentionNode(Value qkv, AttentionOutput out, Tensor softmax, kernels::AttentionShape shape)
      : qkv_(std::move(qkv)), out_(std::move(out)), softmax_(std::move(softmax)), shape_(shape) {}
  const char* name() const override { return "attention"; }

  void backward(Context& context) override {
    if (out_.o.grad().empty() && out_.v.grad().empty()) return;
    Stream& stream = context.stream();
    const Tensor d_o = gradient_or_zeros(stream, out_.o), dv = gradient_or_zeros(stream, out_.v);
    const Tensor dqkv = Tensor::empty(stream, qkv_.shape());
    kernels::attention_backward(stream, {qkv_.packed(), softmax_.as(), d_o, dv, dqkv, shape_});
    qkv_.add_grad(stream, dqkv, Own::kExclusive);
  }

 private:
  static Tensor gradient_or_zeros(Stream& stream, const Value& value) {
    return value.grad().empty() ? Tensor::zeros(stream, value.shape()) : value.grad().as_one(stream);
  }

  Value qkv_;
  AttentionOutput out_;
  Tensor softmax_;
  kernels::AttentionShape shape_;
};

}  // namespace

AttentionOutput attention(Context& context, const Value& input, kernels::AttentionShape shape) {
  const Value qkv = cast(context, input, DType::kF32);  // a small part of a network: one type will do
  Stream& stream = context.stream();
  Shape size = qkv.shape();
  const int pixels = size.h * size.w;
  size.c = shape.channels();
  const Tensor o = Tensor::empty(stream, size), v = Tensor::empty(stream, size);
  const Tensor softmax = Tensor::empty(stream, {size.n, shape.heads, pixels, pixels});
  kernels::attention_forward(stream, {qkv.packed(), o, v, softmax.as(), shape});
  context.cost().attention_multiply_adds +=
      std::int64_t{size.n} * shape.heads * pixels * pixels * (shape.key_dim + shape.head_dim);
  AttentionOutput out{Value(context, o, qkv.requires_grad()), Value(context, v, qkv.requires_grad())};
  if (out.o.requires_grad()) context.record(std::make_unique<AttentionNode>(qkv, out, softmax, shape));
  return {cast(context, out.o, input.dtype()), cast(context, out.v, input.dtype())};
}

}  // namespace boxcar::nn
