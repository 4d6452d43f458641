// Dense 3x3 convolutions of stride 1 and 2 in f32 by Winograd's minimal filtering: a quarter of the products of the
// direct sum, or nine sixteenths (winograd_transforms-inl.h). Results differ from the direct sum's by a few units of
// f32's precision, and do not depend on the number of threads. Of bf16 (stride 1) weights and results are
// rounded, numbers at the points and their products are f32.
#pragma once

#include "boxcar/kernels/conv/conv.h"
#include "boxcar/kernels/conv/conv_epilogue.h"

namespace boxcar::kernels::cpu {

/// Whether the functions below take a convolution of these sides, and weights or their gradient in f32: kernel 3,
/// stride 1, or 2 with padding 1 in f32, no dilation or groups, multiples of 16 channels on both sides of one type.
bool suits_winograd(const TensorView& x, const TensorView& y, const ConvOptions& options);

/// y = act(conv(x, w) + bias). Statistics are left to the caller.
void winograd_forward(Stream& stream, const ConvForwardArgs& args);
/// The sums to what the epilogue says; of args.y the shape counts, of args neither bias nor activation.
void winograd_forward(Stream& stream, const ConvForwardArgs& args, const ConvEpilogue& epilogue);
void winograd_backward_input(Stream& stream, const ConvBackwardInputArgs& args);
/// dw; dbias is left to others.
void winograd_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args);

}  // namespace boxcar::kernels::cpu
