// What most ops are made of: operands in a context, a result, and a function that takes its gradient back.
#pragma once

#include <functional>
#include <initializer_list>

#include "boxcar/nn/autograd/value.h"

namespace boxcar::nn {

/// The context of the first operand that has one. Throws Error if there is none.
Context& context_of(std::initializer_list<Value> operands);

/// A constant as a tensor [1,1,1,1] of the context; anything else as f32. Throws Error, naming the op, for a Value that
/// was never given anything.
Value operand(Context& context, const char* op, const Value& value);

/// Gets the whole gradient of the result, packed, and hands the operands theirs.
using TakeBack = std::function<void(Stream& stream, const Tensor& dy)>;

/// The result of an op as a value; where an operand needs a gradient the op goes on the tape.
Value result_of(Context& context, const char* op, Tensor y, bool needs_grad, TakeBack take_back);

/// Adds `gradient`, of the shape of a broadcast result, to the operand that was broadcast: summed over the axes along
/// which it has size 1.
void add_broadcast_grad(Stream& stream, const Value& operand, const Tensor& gradient, Own own);

}  // namespace boxcar::nn
