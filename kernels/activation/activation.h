// Activation functions, element by element.
#pragma once

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/kernels/common/rows.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// y = act(x).
struct ActivationForwardArgs {
  TensorView x;  // [N,H,W,C], pixel stride >= C, f32 or bf16
  TensorView y;  // same shape and dtype; may be x itself
  Act act;
};
/// Throws ShapeError if shapes or types differ.
void activation_forward(Stream& stream, const ActivationForwardArgs& args);

/// dx = dy * act'(x), computed from the input x of the forward pass.
struct ActivationBackwardArgs {
  TensorView x, dy;  // [N,H,W,C], same shape and dtype, pixel stride >= C
  TensorView dx;     // as x; written, or added to when mode is kAdd
  Act act;
  GradMode mode = GradMode::kOverwrite;
};
/// Throws ShapeError if shapes or types differ.
void activation_backward(Stream& stream, const ActivationBackwardArgs& args);

}  // namespace boxcar::kernels
