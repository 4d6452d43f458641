#include "boxcar/kernels/conv/conv_norm_act_backward.h"

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/conv/pointwise.h"
#include "boxcar/kernels/norm_act/norm_act_checks.h"
#include "boxcar/kernels/norm_act/norm_act_simd.h"

namespace boxcar::kernels {
namespace {

void check(const ConvNormActBackwardArgs& args) {
  constexpr const char* kOp = "conv_norm_act_backward";
  const TensorView& z = args.norm.z;
  const Shape y = conv_output_shape(args.x.shape(), z.c, args.options);
  const Shape weights = conv_weight_shape(args.x.c, z.c, args.options);
  if (z.shape() != y) fail<ShapeError>("{}: z is {}, not {}", kOp, z.shape().str(), y.str());
  if (args.w.shape() != weights) fail<ShapeError>("{}: w is {}, not {}", kOp, args.w.shape().str(), weights.str());
  if (args.dx) check_same_shape(kOp, args.x, *args.dx);
  if (args.dw) check_same_shape(kOp, args.w, *args.dw), check_same_dtype(kOp, args.w, *args.dw);
  check_packed(kOp, "z", z);
  check_packed(kOp, "w", args.w);
  if (args.dw) check_packed(kOp, "dw", *args.dw);
  for (const GradPiece& piece : args.norm.from) check_range(kOp, z, piece.of, piece.from);
}

}  // namespace

bool can_fuse_backward(const Stream& stream, const ConvNormActBackwardArgs& args) {
  return !stream.device().is_cuda() && !stream.dry_run() && cpu::simd::has_activation(args.norm.act) &&
         cpu::suits_pointwise_backward(args);
}

void conv_norm_act_backward(Stream& stream, const ConvNormActBackwardArgs& args) {
  check(args);
  if (!can_fuse_backward(stream, args)) {
    fail<ShapeError>("conv_norm_act_backward: this convolution has no fused backward pass; ask can_fuse_backward()");
  }
  timed(
      stream, "conv_norm_act_backward", [&] { cpu::pointwise_norm_act_backward(stream, args); }, args);
}

// A pass for the sums; one that reads them again, and both sides of the convolution.
OpCost cost_of(const ConvNormActBackwardArgs& args) {
  const std::int64_t z = bytes_of(args.norm.z), flops = 2 * args.norm.z.count() * args.x.c;
  std::int64_t bytes = 2 * z + bytes_of(args.w);
  for (const GradPiece& piece : args.norm.from) bytes += 2 * bytes_of(piece.from);
  OpCost cost{bytes, 0};
  if (args.dx) cost.bytes += bytes_of(*args.dx), cost.flops += flops;
  if (args.dw) cost.bytes += bytes_of(args.x) + bytes_of(*args.dw), cost.flops += flops;
  return cost;
}

}  // namespace boxcar::kernels
