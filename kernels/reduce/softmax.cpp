#include "boxcar/kernels/reduce/softmax.h"

#include <cmath>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/elementwise/strided.h"

namespace boxcar::kernels {
namespace {

void check(const char* op, const TensorView& a, const TensorView& b) {
  check_same_shape(op, a, b);
  for (const TensorView* t : {&a, &b}) {
    if (t->dtype != DType::kF32) fail<ShapeError>("{} works on f32, not {}", op, name_of(t->dtype));
  }
}

void softmax_row(SoftmaxKind kind, const float* x, float* y, int count) {
  const float max = *std::max_element(x, x + count);
  float sum = 0.0f;
  for (int c = 0; c < count; ++c) sum += y[c] = std::exp(x[c] - max);
  const float log_sum = std::log(sum);
  for (int c = 0; c < count; ++c) y[c] = kind == SoftmaxKind::kSoftmax ? y[c] / sum : x[c] - max - log_sum;
}

}  // namespace

namespace cpu {

void softmax(Stream& stream, const SoftmaxArgs& args) {
  const Strided x = strided(args.x), y = strided(args.y);
  for_each_pixel(stream, args.x.shape(), [&](std::int64_t n, std::int64_t h, std::int64_t w) {
    softmax_row(args.kind, x.pixel(n, h, w), y.pixel(n, h, w), args.x.c);
  });
}

void softmax_backward(Stream& stream, const SoftmaxBackwardArgs& args) {
  const Strided y = strided(args.y), dy = strided(args.dy), dx = strided(args.dx);
  const bool plain = args.kind == SoftmaxKind::kSoftmax;
  for_each_pixel(stream, args.y.shape(), [&](std::int64_t n, std::int64_t h, std::int64_t w) {
    const float *p = y.pixel(n, h, w), *g = dy.pixel(n, h, w);
    float* to = dx.pixel(n, h, w);
    float sum = 0.0f;
    for (int c = 0; c < args.y.c; ++c) sum += plain ? g[c] * p[c] : g[c];
    for (int c = 0; c < args.y.c; ++c) to[c] = plain ? p[c] * (g[c] - sum) : g[c] - std::exp(p[c]) * sum;
  });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void softmax(Stream& stream, const SoftmaxArgs& args);
void softmax_backward(Stream& stream, const SoftmaxBackwardArgs& args);
}  // namespace cuda
#endif

void softmax(Stream& stream, const SoftmaxArgs& args) {
  check("softmax", args.x, args.y);
  BOXCAR_DISPATCH(stream, softmax, args);
}

void softmax_backward(Stream& stream, const SoftmaxBackwardArgs& args) {
  check("softmax_backward", args.y, args.dy);
  check("softmax_backward", args.y, args.dx);
  BOXCAR_DISPATCH(stream, softmax_backward, args);
}

}  // namespace boxcar::kernels
