// Elementwise arithmetic on f32 tensors of any pixel stride, with broadcasting: an axis of size 1 counts as repeated.
#pragma once

#include "boxcar/kernels/elementwise/elementwise_math.h"
#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// y = f(x), of one shape. All ops here throw ShapeError, naming the op, for shapes or types that do not fit.
struct UnaryArgs {
  UnaryFunction function{};
  TensorView x{}, y{};
};
void unary(Stream& stream, const UnaryArgs& args);

/// dx = dy * f'(x); 0 where dy is 0, whatever the slope.
struct UnaryBackwardArgs {
  UnaryFunction function{};
  TensorView x{}, dy{}, dx{};
};
void unary_backward(Stream& stream, const UnaryBackwardArgs& args);

/// y = f(a, b), y of the broadcast shape.
struct BinaryArgs {
  BinaryOp op = BinaryOp::kAdd;
  TensorView a{}, b{}, y{};
};
void binary(Stream& stream, const BinaryArgs& args);

/// da = dy * df/da and db likewise, both of y's shape: whoever broadcast sums them back. One without data is not
/// wanted. 0 where dy is 0, whatever the slope.
struct BinaryBackwardArgs {
  BinaryOp op = BinaryOp::kAdd;
  TensorView a{}, b{}, dy{}, da{}, db{};
};
void binary_backward(Stream& stream, const BinaryBackwardArgs& args);

/// y = condition != 0 ? a : b, y of the broadcast shape (NaN counts as true).
struct WhereArgs {
  TensorView condition{}, a{}, b{}, y{};
};
void where(Stream& stream, const WhereArgs& args);

}  // namespace boxcar::kernels
