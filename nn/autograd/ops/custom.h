// An op of the user's own.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "boxcar/nn/autograd/value.h"

namespace boxcar::nn {

/// The result, made of the packed inputs. It must not be one of them.
using CustomForward = std::function<Tensor(Stream& stream, std::span<const Tensor> inputs)>;
/// One gradient an input, of its shape, packed and new; an undefined Tensor where there is none. dy is the gradient of
/// the result `y`.
using CustomBackward = std::function<std::vector<Tensor>(Stream& stream, std::span<const Tensor> inputs,
                                                         const Tensor& y, const Tensor& dy)>;

/// forward(inputs) as an op whose gradient is backward(...)'s; numbers among the inputs become tensors [1,1,1,1].
/// backward is called in the backward pass, if an input needs a gradient and the result got one. Throws Error without
/// an input that has a context, and ShapeError for gradients whose number or shapes are not the inputs'.
Value custom(const std::vector<Value>& inputs, const CustomForward& forward, CustomBackward backward);

}  // namespace boxcar::nn
