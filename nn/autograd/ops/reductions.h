// Reductions of values, with gradients: over axes, over channels, and matrix products. f32.
#pragma once

#include <initializer_list>

#include "boxcar/nn/autograd/value.h"

namespace boxcar::nn {

/// Axes 0..3 = n, h, w, c; none: all of them. The axes stay, with size 1. Throws ShapeError for another axis.
using Axes = std::initializer_list<int>;

/// Made in double, in blocks that follow from the shape.
Value sum(const Value& x, Axes axes = {});
Value mean(const Value& x, Axes axes = {});
/// The largest value; equal largest ones share the gradient equally.
Value max(const Value& x, Axes axes = {});

/// Over the channels of each pixel.
Value softmax(const Value& x);
Value log_softmax(const Value& x);

/// For each (n,h) the product of the w x c matrices: [n,h,m,k] x [n,h,k,p] -> [n,h,m,p]. n and h of size 1 broadcast.
/// Throws ShapeError.
Value matmul(const Value& a, const Value& b);

}  // namespace boxcar::nn
