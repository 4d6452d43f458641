#include "boxcar/nn/autograd/ops/arithmetic.h"

#include "boxcar/kernels/elementwise/elementwise.h"
#include "boxcar/kernels/elementwise/strided.h"
#include "boxcar/nn/autograd/ops/op.h"

namespace boxcar::nn {
namespace {

using kernels::BinaryOp;
using kernels::UnaryFunction;
using kernels::UnaryOp;

Value apply(const char* op, UnaryFunction function, const Value& argument) {
  Context& context = context_of({argument});
  const Value x = operand(context, op, argument);
  const Tensor y = Tensor::empty(context.stream(), x.shape());
  kernels::unary(context.stream(), {function, x.tensor(), y});
  return result_of(context, op, y, x.requires_grad(), [x, function](Stream& stream, const Tensor& dy) {
    const Tensor dx = Tensor::empty(stream, x.shape());
    kernels::unary_backward(stream, {function, x.tensor(), dy, dx});
    x.add_grad(stream, dx, Own::kExclusive);
  });
}

Value apply(const char* op, BinaryOp function, const Value& first, const Value& second, bool with_grad = true) {
  Context& context = context_of({first, second});
  const Value a = operand(context, op, first), b = operand(context, op, second);
  const Tensor y = Tensor::empty(context.stream(), kernels::broadcast_shape(op, a.shape(), b.shape()));
  kernels::binary(context.stream(), {function, a.tensor(), b.tensor(), y});
  const bool needs_grad = with_grad && (a.requires_grad() || b.requires_grad());
  return result_of(context, op, y, needs_grad, [a, b, function](Stream& stream, const Tensor& dy) {
    const Tensor da = a.requires_grad() ? Tensor::empty(stream, dy.shape()) : Tensor();
    const Tensor db = b.requires_grad() ? Tensor::empty(stream, dy.shape()) : Tensor();
    kernels::binary_backward(stream, {function, a.tensor(), b.tensor(), dy, da, db});
    if (da) add_broadcast_grad(stream, a, da, Own::kExclusive);
    if (db) add_broadcast_grad(stream, b, db, Own::kExclusive);
  });
}

/// dy where the condition holds (or does not), else 0.
Tensor chosen(Stream& stream, const Value& condition, const Tensor& dy, bool holds) {
  const Tensor zero = Tensor::zeros(stream, {}), out = Tensor::empty(stream, dy.shape());
  kernels::where(stream, {condition.tensor(), holds ? dy : zero, holds ? zero : dy, out});
  return out;
}

}  // namespace

Value operator+(const Value& a, const Value& b) { return apply("+", BinaryOp::kAdd, a, b); }
Value operator-(const Value& a, const Value& b) { return apply("-", BinaryOp::kSubtract, a, b); }
Value operator*(const Value& a, const Value& b) { return apply("*", BinaryOp::kMultiply, a, b); }
Value operator/(const Value& a, const Value& b) { return apply("/", BinaryOp::kDivide, a, b); }
Value operator-(const Value& x) { return x * -1.0f; }

Value exp(const Value& x) { return apply("exp", {UnaryOp::kExp}, x); }
Value log(const Value& x) { return apply("log", {UnaryOp::kLog}, x); }
Value sqrt(const Value& x) { return apply("sqrt", {UnaryOp::kSqrt}, x); }
Value square(const Value& x) { return apply("square", {UnaryOp::kSquare}, x); }
Value pow(const Value& x, const Value& y) { return apply("pow", BinaryOp::kPow, x, y); }
Value abs(const Value& x) { return apply("abs", {UnaryOp::kAbs}, x); }
Value min(const Value& a, const Value& b) { return apply("min", BinaryOp::kMin, a, b); }
Value max(const Value& a, const Value& b) { return apply("max", BinaryOp::kMax, a, b); }

Value clamp(const Value& x, float low, float high) {
  if (!(low <= high)) fail<ArgumentError>("clamp: the lower limit {} is not below the upper one {}", low, high);
  return apply("clamp", {UnaryOp::kClamp, low, high}, x);
}

Value less(const Value& a, const Value& b) { return apply("less", BinaryOp::kLess, a, b, false); }
Value greater(const Value& a, const Value& b) { return apply("greater", BinaryOp::kGreater, a, b, false); }

Value where(const Value& condition, const Value& first, const Value& second) {
  Context& context = context_of({condition, first, second});
  const Value chooser = operand(context, "where", condition);
  const Value a = operand(context, "where", first), b = operand(context, "where", second);
  const Shape both = kernels::broadcast_shape("where", a.shape(), b.shape());
  const Tensor y = Tensor::empty(context.stream(), kernels::broadcast_shape("where", chooser.shape(), both));
  kernels::where(context.stream(), {chooser.tensor(), a.tensor(), b.tensor(), y});
  const bool needs_grad = a.requires_grad() || b.requires_grad();
  return result_of(context, "where", y, needs_grad, [chooser, a, b](Stream& stream, const Tensor& dy) {
    if (a.requires_grad()) add_broadcast_grad(stream, a, chosen(stream, chooser, dy, true), Own::kExclusive);
    if (b.requires_grad()) add_broadcast_grad(stream, b, chosen(stream, chooser, dy, false), Own::kExclusive);
  });
}

Value sigmoid(const Value& x) { return apply("sigmoid", {UnaryOp::kSigmoid}, x); }
Value silu(const Value& x) { return apply("silu", {UnaryOp::kSilu}, x); }
Value relu(const Value& x) { return apply("relu", {UnaryOp::kRelu}, x); }
Value softplus(const Value& x) { return apply("softplus", {UnaryOp::kSoftplus}, x); }

Value stop_gradient(const Value& x) { return Value(context_of({x}), x.tensor()); }

}  // namespace boxcar::nn
