#include "boxcar/kernels/elementwise/elementwise.h"

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/elementwise/strided.h"

namespace boxcar::kernels {
namespace {

template <class... Views>
void check_f32(const char* op, const Views&... views) {
  for (const TensorView* view : {&views...}) {
    if (view->dtype != DType::kF32) fail<ShapeError>("{} works on f32, not {}", op, name_of(view->dtype));
  }
}

}  // namespace

namespace cpu {

void unary(Stream& stream, const UnaryArgs& args) {
  const Strided x = strided(args.x), y = strided(args.y);
  for_each_pixel(stream, args.y.shape(), [&](std::int64_t n, std::int64_t h, std::int64_t w) {
    const float* from = x.pixel(n, h, w);
    float* to = y.pixel(n, h, w);
    for (int c = 0; c < args.y.c; ++c) to[c] = unary_value(args.function, from[c]);
  });
}

void unary_backward(Stream& stream, const UnaryBackwardArgs& args) {
  const Strided x = strided(args.x), dy = strided(args.dy), dx = strided(args.dx);
  for_each_pixel(stream, args.x.shape(), [&](std::int64_t n, std::int64_t h, std::int64_t w) {
    const float *at = x.pixel(n, h, w), *g = dy.pixel(n, h, w);
    float* to = dx.pixel(n, h, w);
    for (int c = 0; c < args.x.c; ++c) to[c] = g[c] == 0.0f ? 0.0f : g[c] * unary_slope(args.function, at[c]);
  });
}

void binary(Stream& stream, const BinaryArgs& args) {
  const Shape shape = args.y.shape();
  const Strided a = broadcast("binary", args.a, shape), b = broadcast("binary", args.b, shape), y = strided(args.y);
  for_each_pixel(stream, shape, [&](std::int64_t n, std::int64_t h, std::int64_t w) {
    const float *pa = a.pixel(n, h, w), *pb = b.pixel(n, h, w);
    float* to = y.pixel(n, h, w);
    for (int c = 0; c < shape.c; ++c) to[c] = binary_value(args.op, pa[c * a.stride[3]], pb[c * b.stride[3]]);
  });
}

void binary_backward(Stream& stream, const BinaryBackwardArgs& args) {
  const Shape shape = args.dy.shape();
  const Strided a = broadcast("binary_backward", args.a, shape), b = broadcast("binary_backward", args.b, shape);
  const Strided dy = strided(args.dy), da = strided(args.da), db = strided(args.db);
  for_each_pixel(stream, shape, [&](std::int64_t n, std::int64_t h, std::int64_t w) {
    const float *pa = a.pixel(n, h, w), *pb = b.pixel(n, h, w), *g = dy.pixel(n, h, w);
    float* to_a = da.data ? da.pixel(n, h, w) : nullptr;
    float* to_b = db.data ? db.pixel(n, h, w) : nullptr;
    for (int c = 0; c < shape.c; ++c) {
      const auto slopes = binary_slopes(args.op, pa[c * a.stride[3]], pb[c * b.stride[3]]);
      if (to_a) to_a[c] = g[c] == 0.0f ? 0.0f : g[c] * slopes.a;
      if (to_b) to_b[c] = g[c] == 0.0f ? 0.0f : g[c] * slopes.b;
    }
  });
}

void where(Stream& stream, const WhereArgs& args) {
  const Shape shape = args.y.shape();
  const Strided condition = broadcast("where", args.condition, shape);
  const Strided a = broadcast("where", args.a, shape), b = broadcast("where", args.b, shape), y = strided(args.y);
  for_each_pixel(stream, shape, [&](std::int64_t n, std::int64_t h, std::int64_t w) {
    const float *pc = condition.pixel(n, h, w), *pa = a.pixel(n, h, w), *pb = b.pixel(n, h, w);
    float* to = y.pixel(n, h, w);
    for (int c = 0; c < shape.c; ++c) {
      to[c] = pc[c * condition.stride[3]] != 0.0f ? pa[c * a.stride[3]] : pb[c * b.stride[3]];
    }
  });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void unary(Stream& stream, const UnaryArgs& args);
void unary_backward(Stream& stream, const UnaryBackwardArgs& args);
void binary(Stream& stream, const BinaryArgs& args);
void binary_backward(Stream& stream, const BinaryBackwardArgs& args);
void where(Stream& stream, const WhereArgs& args);
}  // namespace cuda
#endif

void unary(Stream& stream, const UnaryArgs& args) {
  check_f32("unary", args.x, args.y);
  check_same_shape("unary", args.x, args.y);
  BOXCAR_DISPATCH(stream, unary, args);
}

void unary_backward(Stream& stream, const UnaryBackwardArgs& args) {
  check_f32("unary_backward", args.x, args.dy, args.dx);
  check_same_shape("unary_backward", args.x, args.dy);
  check_same_shape("unary_backward", args.x, args.dx);
  BOXCAR_DISPATCH(stream, unary_backward, args);
}

void binary(Stream& stream, const BinaryArgs& args) {
  check_f32("binary", args.a, args.b, args.y);
  BOXCAR_DISPATCH(stream, binary, args);
}

void binary_backward(Stream& stream, const BinaryBackwardArgs& args) {
  check_f32("binary_backward", args.a, args.b, args.dy);
  for (const TensorView& d : {args.da, args.db}) {
    if (d.data) check_same_shape("binary_backward", args.dy, d), check_f32("binary_backward", d);
  }
  BOXCAR_DISPATCH(stream, binary_backward, args);
}

void where(Stream& stream, const WhereArgs& args) {
  check_f32("where", args.condition, args.a, args.b, args.y);
  BOXCAR_DISPATCH(stream, where, args);
}

}  // namespace boxcar::kernels
