#include "boxcar/nn/autograd/ops/reductions.h"

#include "boxcar/kernels/elementwise/elementwise.h"
#include "boxcar/kernels/elementwise/strided.h"
#include "boxcar/kernels/reduce/reduce.h"
#include "boxcar/kernels/reduce/softmax.h"
#include "boxcar/nn/autograd/ops/op.h"

namespace boxcar::nn {
namespace {

Shape reduced(const char* op, const Shape& shape, Axes axes) {
  if (axes.size() == 0) return {};
  std::array<int, 4> sizes = kernels::sizes_of(shape);
  for (const int axis : axes) {
    if (axis < 0 || axis > 3) fail<ShapeError>("{}: axis {} is not one of 0..3 (n, h, w, c)", op, axis);
    sizes[axis] = 1;
  }
  return kernels::shape_of(sizes);
}

/// dy * scale, repeated to `shape`.
Tensor spread(Stream& stream, const Tensor& dy, const Shape& shape, double scale) {
  const Tensor factor = Tensor::from(stream, {}, {static_cast<float>(scale)}), dx = Tensor::empty(stream, shape);
  const Tensor scaled = Tensor::empty(stream, dy.shape());
  kernels::binary(stream, {kernels::BinaryOp::kMultiply, dy, factor, scaled});
  const Tensor zero = Tensor::zeros(stream, {});
  kernels::binary(stream, {kernels::BinaryOp::kAdd, scaled, zero, dx});
  return dx;
}

Value scaled_sum(const char* op, const Value& argument, Axes axes, bool divide) {
  Context& context = context_of({argument});
  const Value x = operand(context, op, argument);
  const Tensor y = Tensor::empty(context.stream(), reduced(op, x.shape(), axes));
  const double scale = divide ? double(y.count()) / double(x.shape().count()) : 1.0;
  kernels::reduce(context.stream(), {kernels::Reduction::kSum, x.tensor(), y, scale});
  return result_of(context, op, y, x.requires_grad(), [x, scale](Stream& stream, const Tensor& dy) {
    x.add_grad(stream, spread(stream, dy, x.shape(), scale), Own::kExclusive);
  });
}

Value apply_softmax(const char* op, kernels::SoftmaxKind kind, const Value& argument) {
  Context& context = context_of({argument});
  const Value x = operand(context, op, argument);
  const Tensor y = Tensor::empty(context.stream(), x.shape());
  kernels::softmax(context.stream(), {kind, x.tensor(), y});
  return result_of(context, op, y, x.requires_grad(), [x, y, kind](Stream& stream, const Tensor& dy) {
    const Tensor dx = Tensor::empty(stream, x.shape());
    kernels::softmax_backward(stream, {kind, y, dy, dx});
    x.add_grad(stream, dx, Own::kExclusive);
  });
}

}  // namespace

Value sum(const Value& x, Axes axes) { return scaled_sum("sum", x, axes, false); }
Value mean(const Value& x, Axes axes) { return scaled_sum("mean", x, axes, true); }

Value max(const Value& argument, Axes axes) {
  Context& context = context_of({argument});
  const Value x = operand(context, "max", argument);
  const Tensor y = Tensor::empty(context.stream(), reduced("max", x.shape(), axes));
  kernels::reduce(context.stream(), {kernels::Reduction::kMax, x.tensor(), y});
  return result_of(context, "max", y, x.requires_grad(), [x, y](Stream& stream, const Tensor& dy) {
    const Tensor dx = Tensor::empty(stream, x.shape());
    kernels::reduce_max_backward(stream, {x.tensor(), y, dy, dx});
    x.add_grad(stream, dx, Own::kExclusive);
  });
}

Value softmax(const Value& x) { return apply_softmax("softmax", kernels::SoftmaxKind::kSoftmax, x); }
Value log_softmax(const Value& x) { return apply_softmax("log_softmax", kernels::SoftmaxKind::kLogSoftmax, x); }

}  // namespace boxcar::nn
