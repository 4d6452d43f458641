// Elementwise arithmetic on values, with gradients. f32. Axes of size 1 are broadcast, numbers too: 1.f - exp(x); the
// gradient of a broadcast operand is summed back to its shape. The context is that of an operand: an op on nothing but
// numbers and parameters throws Error. Shapes that do not fit throw ShapeError. Where a slope is not unique
// it is PyTorch's, except sqrt's; kernels/elementwise/elementwise_math.h lists them. A gradient of 0 stays 0 whatever
// the slope.
#pragma once

#include "boxcar/nn/autograd/value.h"

namespace boxcar::nn {

Value operator+(const Value& a, const Value& b);
Value operator-(const Value& a, const Value& b);
Value operator*(const Value& a, const Value& b);
Value operator/(const Value& a, const Value& b);
Value operator-(const Value& x);

Value exp(const Value& x);
/// Natural; -inf at 0, NaN below.
Value log(const Value& x);
/// Its slope at 0 is taken as 0, where PyTorch has infinity: the length of a zero vector has a gradient.
Value sqrt(const Value& x);
Value square(const Value& x);
/// x to the power of y, a number or a value.
Value pow(const Value& x, const Value& y);
/// Slope 0 at 0.
Value abs(const Value& x);

/// The smaller and the larger of each pair; NaN if one is. Equal ones get half the gradient each.
Value min(const Value& a, const Value& b);
Value max(const Value& a, const Value& b);
/// x moved into low..high; slope 1 inside and at both ends. Throws ArgumentError if low > high.
Value clamp(const Value& x, float low, float high);

/// 1 where a < b (a > b), else 0: conditions for where(). Without gradient.
Value less(const Value& a, const Value& b);
Value greater(const Value& a, const Value& b);
/// a where the condition is not 0, else b. No gradient for the condition, and none for the side not taken.
Value where(const Value& condition, const Value& a, const Value& b);

/// 1 / (1 + exp(-x)).
Value sigmoid(const Value& x);
/// x * sigmoid(x).
Value silu(const Value& x);
/// Slope 0 at 0.
Value relu(const Value& x);
/// log(1 + exp(x)) without overflow.
Value softplus(const Value& x);

/// The same numbers, from which no gradient goes back.
Value stop_gradient(const Value& x);

}  // namespace boxcar::nn
