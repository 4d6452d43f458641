// Checks and dispatch; the loops are in conv_cpu.cpp, depthwise.cpp and conv_*.cu.
#include "boxcar/kernels/conv/conv.h"

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/conv/conv_cpu.h"
#include "boxcar/kernels/conv/conv_cuda.h"
#include "boxcar/kernels/conv/conv_onednn.h"
#include "boxcar/kernels/conv/conv_weights.h"
#include "boxcar/kernels/conv/depthwise.h"

namespace boxcar::kernels {
namespace {

void check_shapes(const char* op, const TensorView& x, const TensorView& w, const TensorView& y,
                  const ConvOptions& options) {
  if (options.groups < 1 || x.c % options.groups != 0 || y.c % options.groups != 0) {
    fail<ShapeError>("{}: {} groups do not divide {} input and {} output channels", op, options.groups, x.c, y.c);
  }
  const Shape wanted = conv_output_shape(x.shape(), y.c, options);
  if (y.shape() != wanted) {
    fail<ShapeError>("{}: the output of {} is {}, not {}", op, x.shape().str(), wanted.str(), y.shape().str());
  }
  const Shape weights = conv_weight_shape(x.c, y.c, options);
  if (w.shape() != weights || !w.packed()) {
    fail<ShapeError>("{}: the weights are {}, wanted {} packed", op, w.shape().str(), weights.str());
  }
  check_packed(op, "the output side", y);
}

void check_types(const char* op, const TensorView& x, const TensorView& w, const std::optional<TensorView>& rounded) {
  if (w.dtype != DType::kF32) check_same_dtype(op, x, w);
  if (rounded && (rounded->dtype != DType::kBF16 || rounded->shape() != w.shape() || !rounded->packed())) {
    fail<ShapeError>("{}: the rounded weights are {} in {}, wanted {} packed in bf16", op, rounded->shape().str(),
                     name_of(rounded->dtype), w.shape().str());
  }
}

// All three passes multiply each weight with each output pixel.
OpCost conv_cost(const TensorView& x, const TensorView& w, const TensorView& y, const ConvOptions& options) {
  return {bytes_of(x) + bytes_of(w) + bytes_of(y),
          2 * y.count() * (x.c / options.groups) * options.kernel * options.kernel};
}

// CUDA's kernels make statistics of what they store; a dry run counts those. On the CPU some do.
bool kernels_make_statistics(const Stream& stream, const ConvForwardArgs& args) {
  return stream.device().is_cuda() || stream.dry_run() || cpu::conv_makes_statistics(args);
}

}  // namespace

int conv_output_size(int size, const ConvOptions& o) {
  const int extent = o.dilation * (o.kernel - 1) + 1;
  if (size + 2 * o.padding < extent) {
    fail<ShapeError>("a convolution with kernel {}, dilation {} and padding {} does not fit {} pixels", o.kernel,
                     o.dilation, o.padding, size);
  }
  return (size + 2 * o.padding - extent) / o.stride + 1;
}

Shape conv_output_shape(Shape x, int out_channels, const ConvOptions& options) {
  return {x.n, conv_output_size(x.h, options), conv_output_size(x.w, options), out_channels};
}

Shape conv_weight_shape(int in_channels, int out_channels, const ConvOptions& options) {
  if (is_depthwise(in_channels, out_channels, options)) return {1, options.kernel, options.kernel, in_channels};
  return {out_channels, options.kernel, options.kernel, in_channels / options.groups};
}

bool conv_can_activate(const Act& act, int in_channels, int out_channels, const ConvOptions& options) {
  if (act.kind == ActKind::kIdentity) return true;
  return (act.kind == ActKind::kSilu || act.kind == ActKind::kRelu) &&
         !is_depthwise(in_channels, out_channels, options);
}

void conv_forward(Stream& stream, const ConvForwardArgs& args) {
  check_shapes("conv_forward", args.x, args.w, args.y, args.options);
  check_types("conv_forward", args.x, args.w, args.rounded);
  if (!conv_can_activate(args.act, args.x.c, args.y.c, args.options)) {
    fail<ShapeError>("conv_forward: this convolution cannot apply the activation; use norm_act_forward");
  }
  if (args.y.count() == 0) return;
  if (args.statistics.wanted()) check_has_statistics(args.y);
  if (is_depthwise(args.x.c, args.y.c, args.options)) {
    check_same_dtype("conv_forward", args.x, args.y);
    const Tensor w = kept_weights(stream, args);
    ConvForwardArgs of_one_type = args;
    of_one_type.w = w;
    of_one_type.rounded.reset();
    BOXCAR_DISPATCH(stream, depthwise_forward, of_one_type);
  } else {
    check_packed("conv_forward", "x", args.x);
    BOXCAR_DISPATCH(stream, conv_forward, args);
  }
  if (args.statistics.wanted() && !kernels_make_statistics(stream, args)) {
    batch_statistics(stream, {args.y, args.statistics});
  }
}

void conv_backward_input(Stream& stream, const ConvBackwardInputArgs& args) {
  check_shapes("conv_backward_input", args.dx, args.w, args.dy, args.options);
  check_packed("conv_backward_input", "dx", args.dx);
  check_types("conv_backward_input", args.dy, args.w, args.rounded);
  check_same_dtype("conv_backward_input", args.dy, args.dx);
  if (args.dx.count() == 0) return;
  if (is_depthwise(args.dx.c, args.dy.c, args.options)) {
    const Tensor w = weights_as(stream, args.dy.dtype, args.w, args.rounded);
    BOXCAR_DISPATCH(stream, depthwise_backward_input, ConvBackwardInputArgs{args.dy, w, args.dx, args.options});
  } else {
    BOXCAR_DISPATCH(stream, conv_backward_input, args);
  }
}

void conv_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args) {
  check_shapes("conv_backward_weight", args.x, args.dw, args.dy, args.options);
  if (args.dw.dtype != DType::kF32) fail<ShapeError>("conv_backward_weight: dw must be f32");
  check_same_dtype("conv_backward_weight", args.x, args.dy);
  if (is_depthwise(args.x.c, args.dy.c, args.options)) {
    BOXCAR_DISPATCH(stream, depthwise_backward_weight, args);
  } else {
    check_packed("conv_backward_weight", "x", args.x);
    BOXCAR_DISPATCH(stream, conv_backward_weight, args);
  }
}

std::vector<std::string> conv_implementations(Stream& stream) { return cpu::conv_implementations(stream); }

OpCost cost_of(const ConvForwardArgs& args) {
  return conv_cost(args.x, weights_for(args.x.dtype, args.w, args.rounded), args.y, args.options);
}
OpCost cost_of(const ConvBackwardInputArgs& args) {
  return conv_cost(args.dx, weights_for(args.dy.dtype, args.w, args.rounded), args.dy, args.options);
}
OpCost cost_of(const ConvBackwardWeightArgs& args) {
  OpCost cost = conv_cost(args.x, args.dw, args.dy, args.options);
  if (args.dbias && !is_depthwise(args.x.c, args.dy.c, args.options)) {  // a pass of its own
    cost.bytes += bytes_of(args.dy);
    cost.launches = 2;
  }
  return cost;
}

}  // namespace boxcar::kernels
