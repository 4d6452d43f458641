#include "boxcar/kernels/conv/conv_act.h"

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/conv/conv_cpu.h"
#include "boxcar/kernels/norm_act/norm_act_checks.h"

namespace boxcar::kernels {
namespace {

// The one destination that holds all of y, packed, if nothing else is wanted.
const TensorView* packed_y(const ConvActArgs& args) {
  const bool whole = args.to.size() == 1 && args.to[0].of == Range{0, args.y.c} && args.to[0].to.packed();
  return whole && !args.residual ? &args.to[0].to : nullptr;
}

TensorView geometry(Shape shape, DType dtype) {
  TensorView view;
  view.dtype = dtype;
  view.n = shape.n, view.h = shape.h, view.w = shape.w, view.c = shape.c;
  view.ld = shape.c;
  return view;
}

// What is left to do to z.
void second_pass(Stream& stream, const ConvActArgs& args, const TensorView& z, Act act) {
  Tensor identity = args.cache ? args.cache->identity : Tensor();
  if (!identity) identity = identity_norm(stream, z.c);
  if (args.cache) args.cache->identity = identity;
  float *ones = identity.as(), *zeros = ones + z.c;
  const Tensor saved = Tensor::empty(stream, {1, 1, 2, z.c});
  const Norm norm{ones, zeros, zeros, ones, 0.0f, 0.0f, false};
  norm_act_forward(stream, {z, norm, act, args.residual, args.to, saved.as()});
}

}  // namespace

void check_conv_act(const char* op, const ConvActArgs& args) {
  const Shape y = conv_output_shape(args.x.shape(), args.y.c, args.options);
  if (args.y != y) fail<ShapeError>("{}: y is {}, not {}", op, args.y.str(), y.str());
  const TensorView whole = geometry(y, args.x.dtype);
  if (args.residual) {
    check_same_shape(op, whole, *args.residual);
    check_same_dtype(op, whole, *args.residual);
  }
  for (const Destination& d : args.to) check_range(op, whole, d.of, d.to);
}

Tensor identity_norm(Stream& stream, int channels) {
  std::vector<float> values(2 * static_cast<std::size_t>(channels), 0.0f);
  std::fill_n(values.begin(), channels, 1.0f);
  return Tensor::from(stream, {1, 1, 2, channels}, values);
}

void conv_act_forward(Stream& stream, const ConvActArgs& args) {
  check_conv_act("conv_act_forward", args);
  if (args.y.count() == 0) return;
  if (!stream.device().is_cuda() && !stream.dry_run() && cpu::takes_conv_act(args)) {
    return timed(
        stream, "conv_act_forward", [&] { cpu::conv_act_forward(stream, args); }, args);
  }
  const bool activates = conv_can_activate(args.act, args.x.c, args.y.c, args.options);
  const TensorView* to = activates ? packed_y(args) : nullptr;
  const Tensor own = to ? Tensor() : Tensor::empty(stream, args.y, args.x.dtype);
  const TensorView z = to ? *to : own.view();
  conv_forward(stream, {.x = args.x,
                        .w = args.w,
                        .bias = args.bias,
                        .y = z,
                        .options = args.options,
                        .act = activates ? args.act : Act{},
                        .cache = args.cache,
                        .rounded = args.rounded});
  if (!to) second_pass(stream, args, z, activates ? Act{} : args.act);
}

OpCost cost_of(const ConvActArgs& args) {
  OpCost cost = cost_of(ConvForwardArgs{
      .x = args.x, .w = args.w, .y = geometry(args.y, args.x.dtype), .options = args.options, .rounded = args.rounded});
  cost.bytes -= bytes_of(geometry(args.y, args.x.dtype));
  if (args.residual) cost.bytes += bytes_of(*args.residual);
  for (const Destination& d : args.to) cost.bytes += bytes_of(d.to);
  return cost;
}

}  // namespace boxcar::kernels
