#include "boxcar/nn/autograd/ops/shapes.h"

#include "boxcar/kernels/elementwise/rearrange.h"
#include "boxcar/kernels/elementwise/strided.h"
#include "boxcar/nn/autograd/ops/op.h"

namespace boxcar::nn {
namespace {

int checked_axis(const char* op, int axis) {
  if (axis < 0 || axis > 3) fail<ShapeError>("{}: axis {} is not one of 0..3 (n, h, w, c)", op, axis);
  return axis;
}

Shape with_size(const Shape& shape, int axis, int size) {
  std::array<int, 4> sizes = kernels::sizes_of(shape);
  sizes[axis] = size;
  return kernels::shape_of(sizes);
}

std::array<int, 4> begin_at(int axis, int first) {
  std::array<int, 4> begin{};
  begin[axis] = first;
  return begin;
}

/// The shape of the joined parts.
Shape joined(std::span<const Value> parts, int axis) {
  if (parts.empty()) fail<ShapeError>("concat needs at least one part");
  int size = 0;
  for (const Value& part : parts) {
    if (with_size(part.shape(), axis, 1) != with_size(parts.front().shape(), axis, 1)) {
      fail<ShapeError>("concat: {} and {} differ in more than axis {}", parts.front().shape().str(), part.shape().str(),
                       axis);
    }
    size += kernels::sizes_of(part.shape())[axis];
  }
  return with_size(parts.front().shape(), axis, size);
}

}  // namespace

Value reshape(const Value& argument, const Shape& shape) {
  Context& context = context_of({argument});
  const Value x = operand(context, "reshape", argument);
  if (x.shape().count() != shape.count()) {
    fail<ShapeError>("reshape: {} has {} elements, {} has {}", x.shape().str(), x.shape().count(), shape.str(),
                     shape.count());
  }
  return result_of(context, "reshape", x.packed().reshaped(shape), x.requires_grad(),
                   [x](Stream& stream, const Tensor& dy) { x.add_grad(stream, dy.reshaped(x.shape()), Own::kShared); });
}

Value permute(const Value& argument, std::array<int, 4> axes) {
  Context& context = context_of({argument});
  const Value x = operand(context, "permute", argument);
  std::array<int, 4> sizes{}, back{};
  for (int i = 0; i < 4; ++i) {
    sizes[i] = kernels::sizes_of(x.shape())[checked_axis("permute", axes[i])];
    back[axes[i]] = i;
  }
  const Tensor y = Tensor::empty(context.stream(), kernels::shape_of(sizes));
  kernels::permute(context.stream(), {x.tensor(), y, axes});
  return result_of(context, "permute", y, x.requires_grad(), [x, back](Stream& stream, const Tensor& dy) {
    const Tensor dx = Tensor::empty(stream, x.shape());
    kernels::permute(stream, {dy, dx, back});
    x.add_grad(stream, dx, Own::kExclusive);
  });
}

Value slice(const Value& argument, int axis, int first, int count) {
  Context& context = context_of({argument});
  const Value x = operand(context, "slice", argument);
  const int size = kernels::sizes_of(x.shape())[checked_axis("slice", axis)];
  if (first < 0 || count < 1 || first > size - count) {
    fail<ShapeError>("slice: {} elements from {} on along axis {} do not lie in {}", count, first, axis,
                     x.shape().str());
  }
  const Tensor y = Tensor::empty(context.stream(), with_size(x.shape(), axis, count));
  kernels::slice_out(context.stream(), {x.tensor(), y, begin_at(axis, first)});
  return result_of(context, "slice", y, x.requires_grad(), [x, axis, first](Stream& stream, const Tensor& dy) {
    const Tensor dx = Tensor::zeros(stream, x.shape());
    kernels::slice_in(stream, {dx, dy, begin_at(axis, first)});
    x.add_grad(stream, dx, Own::kExclusive);
  });
}

Value concat(std::span<const Value> values, int axis) {
  checked_axis("concat", axis);
  const Shape shape = joined(values, axis);
  Context& context = values.front().context();
  std::vector<Value> parts;
  const Tensor y = Tensor::empty(context.stream(), shape);
  bool needs_grad = false;
  int first = 0;
  for (const Value& value : values) {
    parts.push_back(operand(context, "concat", value));
    kernels::slice_in(context.stream(), {y, parts.back().tensor(), begin_at(axis, first)});
    first += kernels::sizes_of(value.shape())[axis];
    needs_grad |= value.requires_grad();
  }
  return result_of(context, "concat", y, needs_grad, [parts, axis](Stream& stream, const Tensor& dy) {
    int at = 0;
    for (const Value& part : parts) {
      const Tensor dx = Tensor::empty(stream, part.shape());
      kernels::slice_out(stream, {dy, dx, begin_at(axis, at)});
      part.add_grad(stream, dx, Own::kExclusive);
      at += kernels::sizes_of(part.shape())[axis];
    }
  });
}

Value gather(const Value& argument, const Tensor& rows) {
  Context& context = context_of({argument});
  const Value x = operand(context, "gather", argument);
  const Shape s = x.shape();
  const Tensor y = Tensor::empty(context.stream(), {s.n, s.h, rows.shape().w, s.c});
  kernels::gather(context.stream(), {x.tensor(), rows, y});
  return result_of(context, "gather", y, x.requires_grad(), [x, rows](Stream& stream, const Tensor& dy) {
    const Tensor dx = Tensor::empty(stream, x.shape());
    kernels::gather_backward(stream, {rows, dy, dx});
    x.add_grad(stream, dx, Own::kExclusive);
  });
}

}  // namespace boxcar::nn
