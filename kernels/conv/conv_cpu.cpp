#include "boxcar/kernels/conv/conv_cpu.h"

#include "boxcar/kernels/conv/conv_onednn.h"
#include "boxcar/kernels/conv/pointwise.h"
#include "boxcar/kernels/conv/winograd.h"

namespace boxcar::kernels {

bool cpu::conv_makes_statistics(const ConvForwardArgs& args) { return suits_pointwise_statistics(args); }

void cpu::conv_forward(Stream& stream, const ConvForwardArgs& args) {
  if (suits_pointwise_statistics(args)) return pointwise_forward(stream, args);
  if (suits_winograd(args.x, args.y, args.options)) return winograd_forward(stream, args);
  onednn_conv_forward(stream, args);
}

void cpu::conv_backward_input(Stream& stream, const ConvBackwardInputArgs& args) {
  // Of few channels with a stride, the transforms cost more than the products that they save.
  const bool narrow = args.options.stride > 1 && args.dx.c < 32;
  if (!narrow && suits_winograd(args.dx, args.dy, args.options)) return winograd_backward_input(stream, args);
  onednn_conv_backward_input(stream, args);
}

void cpu::conv_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args) {
  if (suits_winograd_weight_gradient(args)) return winograd_backward_weight(stream, args);
  onednn_conv_backward_weight(stream, args);
}

}  // namespace boxcar::kernels
