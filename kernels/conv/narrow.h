// Dense convolutions in f32 of few channels, for which both the library and the transforms are weak: a network's first
// one, and those of eight channels.
#pragma once

#include "boxcar/kernels/conv/conv.h"
#include "boxcar/kernels/conv/conv_epilogue.h"

namespace boxcar::kernels::cpu {

/// Whether narrow_forward() takes a convolution of these sides: f32, no dilation or groups, a kernel of more than one
/// pixel; up to 8 channels to a multiple of 16, or up to 32 to 8.
bool suits_narrow(const TensorView& x, const TensorView& y, const ConvOptions& options);
/// The sums to what the epilogue says, whose ranges may begin and end anywhere; of args.y the shape counts, of args
/// neither bias nor activation.
void narrow_forward(Stream& stream, const ConvForwardArgs& args, const ConvEpilogue& epilogue);

/// Whether narrow_backward_input() takes this: stride 1, a gradient of eight channels, and suits_narrow() with the
/// sides exchanged.
bool suits_narrow_backward_input(const ConvBackwardInputArgs& args);
void narrow_backward_input(Stream& stream, const ConvBackwardInputArgs& args);

}  // namespace boxcar::kernels::cpu
