#include "boxcar/kernels/conv/conv_enlarged.h"

#include <algorithm>
#include <array>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/conv/pointwise.h"
#include "boxcar/kernels/norm_act/norm_act_checks.h"
#include "boxcar/kernels/norm_act/norm_act_simd.h"

namespace boxcar::kernels {
namespace {

using cpu::ConvEpilogue;
using cpu::EnlargedMap;

struct Sides {
  const TensorView &x, &w;
  Shape y;
  ConvOptions options;
  Act act;
};

void check(const char* op, const Stream& stream, const Sides& sides, const SmallerMap& smaller) {
  if (!runs_enlarged_conv(stream, sides.x.dtype)) {
    fail<ShapeError>("{}: runs in f32 on the CPU only; ask runs_enlarged_conv()", op);
  }
  const Shape small = smaller.x.shape(), y = sides.y;
  if (!suits_enlarged_conv(sides.options, sides.act, std::array{sides.x.c, small.c}, y.c)) {
    fail<ShapeError>("{}: this convolution cannot take two maps; ask suits_enlarged_conv()", op);
  }
  check_same_dtype(op, sides.x, smaller.x);
  const Shape same{sides.x.n, sides.x.h, sides.x.w, y.c};
  if (y != same) fail<ShapeError>("{}: the result is {}, not {}", op, y.str(), same.str());
  const int factor = small.w > 0 ? y.w / small.w : 0;
  if (small.n != y.n || small.h * factor != y.h || small.w * factor != y.w) {
    fail<ShapeError>("{}: {} cannot be enlarged to {} by a whole factor", op, small.str(), y.str());
  }
  const Shape w = conv_weight_shape(sides.x.c, y.c, sides.options), small_w{y.c, 1, 1, small.c};
  if (sides.w.shape() != w) fail<ShapeError>("{}: w is {}, not {}", op, sides.w.shape().str(), w.str());
  if (smaller.w.shape() != small_w) {
    fail<ShapeError>("{}: the smaller map's w is {}, not {}", op, smaller.w.shape().str(), small_w.str());
  }
}

void check_ranges(const char* op, const ConvActArgs& args) {
  for (const Destination& d : args.to) {
    if (cpu::begins_at_vectors(d)) continue;
    fail<ShapeError>("{}: a destination of {} channels from channel {} on is not in sixteens", op, d.of.count,
                     d.of.first);
  }
}

// The smaller map's share of the sums, [N,h,w,O].
Tensor smaller_sums(Stream& stream, const SmallerMap& smaller, ConvWeightCache* cache = nullptr) {
  const Tensor sums = Tensor::empty(stream, {smaller.x.n, smaller.x.h, smaller.x.w, smaller.w.n});
  cpu::pointwise_forward(stream, {.x = smaller.x, .w = smaller.w, .y = sums, .options = {}, .cache = cache},
                         ConvEpilogue::store(sums));
  return sums;
}

void forward(Stream& stream, const EnlargedConvForwardArgs& args) {
  const Tensor sums = smaller_sums(stream, args.smaller);
  const EnlargedMap plus(sums, args.conv.y.w);
  if (args.conv.statistics.wanted()) return cpu::pointwise_forward(stream, args.conv, &plus);
  cpu::pointwise_forward(stream, args.conv, ConvEpilogue::store(args.conv.y), &plus);
}

void act_forward(Stream& stream, const EnlargedConvActArgs& args) {
  const ConvActArgs& conv = args.conv;
  const Tensor sums = smaller_sums(stream, args.smaller, args.smaller_cache);
  const EnlargedMap plus(sums, conv.y.w);
  TensorView y = conv.to[0].to;
  y.c = conv.y.c;
  const ConvEpilogue epilogue{conv.to, conv.bias, conv.act.kind, conv.residual ? &*conv.residual : nullptr};
  cpu::pointwise_forward(stream, {.x = conv.x, .w = conv.w, .y = y, .options = {}, .cache = conv.cache}, epilogue,
                         &plus);
}

void backward(Stream& stream, const EnlargedConvBackwardArgs& args) {
  const TensorView &z = args.conv.norm.z, &small = args.smaller.x;
  const Tensor sums = Tensor::empty(stream, {small.n, small.h, small.w, z.c});
  const EnlargedMap squares(sums, z.w);
  cpu::pointwise_norm_act_backward(stream, args.conv, &squares);
  cpu::pointwise_backward(stream, sums, {small, args.smaller.w, args.smaller_dx, args.smaller_dw, args.conv.mode});
}

// Of a product that is made once for each pixel of x; and what is read and written for it but y.
OpCost product_cost(const TensorView& x, const TensorView& w) {
  return {bytes_of(x) + bytes_of(w), 2 * x.count() * w.n};
}

OpCost plus(OpCost a, const OpCost& b) {
  a.bytes += b.bytes;
  a.flops += b.flops;
  return a;
}

}  // namespace

bool suits_enlarged_conv(const ConvOptions& o, Act act, std::span<const int> in_channels, int out_channels) {
  const auto suits = [](int channels) { return channels > 0 && channels % 16 == 0; };
  return o.kernel == 1 && o.stride == 1 && o.padding == 0 && o.groups == 1 && cpu::simd::has_activation(act) &&
         suits(out_channels) && std::all_of(in_channels.begin(), in_channels.end(), suits);
}

bool runs_enlarged_conv(const Stream& stream, DType dtype) {
  return !stream.device().is_cuda() && !stream.dry_run() && dtype == DType::kF32;
}

void enlarged_conv_forward(Stream& stream, const EnlargedConvForwardArgs& args) {
  constexpr const char* kOp = "enlarged_conv_forward";
  const ConvForwardArgs& conv = args.conv;
  check(kOp, stream, {conv.x, conv.w, conv.y.shape(), conv.options, conv.act}, args.smaller);
  timed(
      stream, kOp, [&] { forward(stream, args); }, args);
}

void enlarged_conv_act_forward(Stream& stream, const EnlargedConvActArgs& args) {
  constexpr const char* kOp = "enlarged_conv_act_forward";
  const ConvActArgs& conv = args.conv;
  check(kOp, stream, {conv.x, conv.w, conv.y, conv.options, conv.act}, args.smaller);
  check_conv_act(kOp, conv);
  check_ranges(kOp, conv);
  timed(
      stream, kOp, [&] { act_forward(stream, args); }, args);
}

void enlarged_conv_norm_act_backward(Stream& stream, const EnlargedConvBackwardArgs& args) {
  constexpr const char* kOp = "enlarged_conv_norm_act_backward";
  const ConvNormActBackwardArgs& conv = args.conv;
  check(kOp, stream, {conv.x, conv.w, conv.norm.z.shape(), conv.options, conv.norm.act}, args.smaller);
  check_packed(kOp, "z", conv.norm.z);
  if (conv.dx) check_same_shape(kOp, conv.x, *conv.dx);
  if (conv.dw) check_same_shape(kOp, conv.w, *conv.dw);
  if (args.smaller_dx) check_same_shape(kOp, args.smaller.x, *args.smaller_dx);
  if (args.smaller_dw) check_same_shape(kOp, args.smaller.w, *args.smaller_dw);
  for (const GradPiece& piece : conv.norm.from) check_range(kOp, conv.norm.z, piece.of, piece.from);
  timed(
      stream, kOp, [&] { backward(stream, args); }, args);
}

OpCost cost_of(const EnlargedConvForwardArgs& args) {
  const OpCost both = plus(product_cost(args.conv.x, args.conv.w), product_cost(args.smaller.x, args.smaller.w));
  return plus(both, {bytes_of(args.conv.y), 0});
}

OpCost cost_of(const EnlargedConvActArgs& args) {
  return plus(cost_of(args.conv), product_cost(args.smaller.x, args.smaller.w));
}

OpCost cost_of(const EnlargedConvBackwardArgs& args) {
  OpCost cost = cost_of(args.conv);
  const OpCost product = product_cost(args.smaller.x, args.smaller.w);
  if (args.smaller_dx) cost = plus(cost, {bytes_of(*args.smaller_dx) + bytes_of(args.smaller.w), product.flops});
  if (args.smaller_dw) cost = plus(cost, {bytes_of(args.smaller.x) + bytes_of(*args.smaller_dw), product.flops});
  return cost;
}

}  // namespace boxcar::kernels
