#include "boxcar/kernels/conv/conv_cpu.h"

#include <algorithm>

#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/kernels/conv/conv_onednn.h"
#include "boxcar/kernels/conv/depthwise.h"
#include "boxcar/kernels/conv/narrow.h"
#include "boxcar/kernels/conv/pointwise.h"
#include "boxcar/kernels/conv/winograd.h"
#include "boxcar/kernels/norm_act/norm_act_simd.h"

namespace boxcar::kernels {
namespace {

ConvForwardArgs forward_args(const ConvActArgs& args) {
  TensorView y = args.to[0].to;
  y.c = args.y.c;
  return {.x = args.x, .w = args.w, .y = y, .options = args.options, .cache = args.cache};
}

// Whether all of y goes to one tensor of any pixel stride as it is.
bool stores_only(const ConvActArgs& args) {
  return args.to.size() == 1 && args.to[0].of.count == args.y.c && !args.residual;
}

// Of sums as they are the library makes sixteen as fast; eight leave half of its vectors empty.
bool narrow_is_faster(const ConvForwardArgs& args) {
  return cpu::suits_narrow(args.x, args.y, args.options) && args.w.dtype == DType::kF32 &&
         cpu::simd::has_activation(args.act) && (args.act.kind != ActKind::kIdentity || args.y.c == 8);
}

// Of bf16 the library makes twice as many products at a time (with AMX eight times): fewer of them, in f32, pay where
// there are many for each pixel that is transformed.
bool winograd_is_faster(const TensorView& x, DType weights, const TensorView& y, const ConvOptions& options) {
  if (weights != DType::kF32 || !cpu::suits_winograd(x, y, options)) return false;
  return x.dtype == DType::kF32 || (!cpu_has_amx() && std::min(x.c, y.c) >= 32);
}

}  // namespace

bool cpu::conv_makes_statistics(const ConvForwardArgs& args) { return suits_pointwise_statistics(args); }

void cpu::conv_forward(Stream& stream, const ConvForwardArgs& args) {
  if (suits_pointwise_statistics(args)) return pointwise_forward(stream, args);
  if (winograd_is_faster(args.x, args.w.dtype, args.y, args.options)) return winograd_forward(stream, args);
  if (narrow_is_faster(args))
    return narrow_forward(stream, args, {{{{0, args.y.c}, args.y}}, args.bias, args.act.kind});
  onednn_conv_forward(stream, args);
}

bool cpu::takes_conv_act(const ConvActArgs& args) {
  if (!simd::has_activation(args.act) || args.to.empty() || args.w.dtype != DType::kF32) return false;
  const ConvForwardArgs forward = forward_args(args);
  if (is_depthwise(args.x.c, args.y.c, args.options)) return args.x.dtype == DType::kF32 && stores_only(args);
  if (suits_narrow(args.x, forward.y, args.options)) return true;
  return std::all_of(args.to.begin(), args.to.end(), begins_at_vectors) &&
         (suits_pointwise(args.x, forward.y, args.options) ||
          winograd_is_faster(args.x, args.w.dtype, forward.y, args.options));
}

void cpu::conv_act_forward(Stream& stream, const ConvActArgs& args) {
  ConvForwardArgs forward = forward_args(args);
  if (is_depthwise(args.x.c, args.y.c, args.options)) {
    forward.bias = args.bias;
    forward.act = args.act;
    return depthwise_forward(stream, forward);
  }
  const ConvEpilogue epilogue{args.to, args.bias, args.act.kind, args.residual ? &*args.residual : nullptr};
  if (suits_pointwise(args.x, forward.y, args.options)) return pointwise_forward(stream, forward, epilogue);
  if (suits_narrow(args.x, forward.y, args.options)) return narrow_forward(stream, forward, epilogue);
  winograd_forward(stream, forward, epilogue);
}

void cpu::conv_backward_input(Stream& stream, const ConvBackwardInputArgs& args) {
  // Of few channels with a stride, the transforms cost more than the products that they save.
  const bool narrow = args.options.stride > 1 && args.dx.c < 32;
  if (!narrow && winograd_is_faster(args.dx, args.w.dtype, args.dy, args.options))
    return winograd_backward_input(stream, args);
  if (suits_narrow_backward_input(args)) return narrow_backward_input(stream, args);
  onednn_conv_backward_input(stream, args);
}

void cpu::conv_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args) {
  if (!args.dbias && winograd_is_faster(args.x, args.dw.dtype, args.dy, args.options))
    return winograd_backward_weight(stream, args);
  onednn_conv_backward_weight(stream, args);
}

}  // namespace boxcar::kernels
