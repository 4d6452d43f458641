#include "boxcar/kernels/conv/conv_cpu.h"

#include "boxcar/kernels/conv/conv_onednn.h"
#include "boxcar/kernels/conv/strided_weight_gradient.h"
#include "boxcar/kernels/conv/winograd.h"

namespace boxcar::kernels {

void cpu::conv_forward(Stream& stream, const ConvForwardArgs& args) {
  if (suits_winograd(args.x, args.y, args.options)) return winograd_forward(stream, args);
  onednn_conv_forward(stream, args);
}

void cpu::conv_backward_input(Stream& stream, const ConvBackwardInputArgs& args) {
  if (suits_winograd(args.dx, args.dy, args.options)) return winograd_backward_input(stream, args);
  onednn_conv_backward_input(stream, args);
}

void cpu::conv_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args) {
  if (suits_winograd_weight_gradient(args)) return winograd_backward_weight(stream, args);
  if (suits_strided_weight_gradient(args)) return strided_weight_gradient(stream, args);
  onednn_conv_backward_weight(stream, args);
}

}  // namespace boxcar::kernels
