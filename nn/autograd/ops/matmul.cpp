#include "boxcar/kernels/common/gemm.h"
#include "boxcar/kernels/elementwise/strided.h"
#include "boxcar/nn/autograd/ops/op.h"
#include "boxcar/nn/autograd/ops/reductions.h"

namespace boxcar::nn {
namespace {

/// The matrix of batch (n,h) of a packed tensor, whose n and h may be 1.
float* matrix(const Tensor& t, int n, int h) {
  const Shape s = t.shape();
  const std::int64_t index = std::int64_t{s.n == 1 ? 0 : n} * s.h + (s.h == 1 ? 0 : h);
  return t.as<float>() + index * s.w * s.c;
}

struct Operand {
  Tensor tensor;
  bool transposed = false;
};

/// y[n,h] = op(a) op(b) for every batch of y; all packed.
void multiply(Stream& stream, const Operand& a, const Operand& b, const Tensor& y) {
  const Shape s = y.shape(), sa = a.tensor.shape(), sb = b.tensor.shape();
  const int inner = a.transposed ? sa.w : sa.c;
  for (int n = 0; n < s.n; ++n) {
    for (int h = 0; h < s.h; ++h) {
      kernels::gemm(stream, {.transpose_a = a.transposed,
                             .transpose_b = b.transposed,
                             .m = s.w,
                             .n = s.c,
                             .k = inner,
                             .a = matrix(a.tensor, n, h),
                             .lda = sa.c,
                             .b = matrix(b.tensor, n, h),
                             .ldb = sb.c,
                             .c = matrix(y, n, h),
                             .ldc = s.c});
    }
  }
}

}  // namespace

Value matmul(const Value& first, const Value& second) {
  Context& context = context_of({first, second});
  const Value a = operand(context, "matmul", first), b = operand(context, "matmul", second);
  const Shape sa = a.shape(), sb = b.shape();
  if (sa.c != sb.w) fail<ShapeError>("matmul: {} times {}: {} columns meet {} rows", sa.str(), sb.str(), sa.c, sb.w);
  Shape shape = kernels::broadcast_shape("matmul", {sa.n, sa.h, 1, 1}, {sb.n, sb.h, 1, 1});
  const Shape batches = shape;
  shape.w = sa.w, shape.c = sb.c;
  const Tensor y = Tensor::empty(context.stream(), shape);
  multiply(context.stream(), {a.packed()}, {b.packed()}, y);
  const bool needs_grad = a.requires_grad() || b.requires_grad();
  return result_of(context, "matmul", y, needs_grad, [a, b, batches](Stream& stream, const Tensor& dy) {
    if (a.requires_grad()) {
      const Tensor da = Tensor::empty(stream, {batches.n, batches.h, a.shape().w, a.shape().c});
      multiply(stream, {dy}, {b.packed(), true}, da);
      add_broadcast_grad(stream, a, da, Own::kExclusive);
    }
    if (b.requires_grad()) {
      const Tensor db = Tensor::empty(stream, {batches.n, batches.h, b.shape().w, b.shape().c});
      multiply(stream, {a.packed(), true}, {dy}, db);
      add_broadcast_grad(stream, b, db, Own::kExclusive);
    }
  });
}

}  // namespace boxcar::nn
