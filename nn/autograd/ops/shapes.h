// Ops that move elements about, with gradients. f32; axes 0..3 = n, h, w, c. Shapes that do not fit throw ShapeError.
#pragma once

#include <array>
#include <span>

#include "boxcar/nn/autograd/value.h"

namespace boxcar::nn {

/// The same elements in NHWC order under another shape of as many.
Value reshape(const Value& x, const Shape& shape);
/// Axis i of the result is axis axes[i] of x.
Value permute(const Value& x, std::array<int, 4> axes);
/// Elements first..first+count-1 along one axis: a copy. (channels() is a view of channels.)
Value slice(const Value& x, int axis, int first, int count);
/// Parts one after the other along one axis: a copy. (concat(context, parts) joins channels without one.)
Value concat(std::span<const Value> parts, int axis);
/// Rows of each table: x [N,H,W,C], rows [N,H,K,1] i32 in 0..W-1 -> [N,H,K,C]. A row may be taken more than once.
Value gather(const Value& x, const Tensor& rows);

}  // namespace boxcar::nn
