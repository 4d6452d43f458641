#include "boxcar/kernels/pool/max_pool.h"

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/pool/max_pool_rows.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace cpu {
namespace {

// Runs body(n, row) for every row of every image.
template <class F>
void for_rows(Stream& stream, const TensorView& t, F&& body) {
  parallel_for(stream.threads(), std::int64_t{t.n} * t.h, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) body(static_cast<int>(i / t.h), static_cast<int>(i % t.h));
  });
}

}  // namespace

void max_pool_forward(Stream& stream, const MaxPoolForwardArgs& args) {
  with_float_type("max_pool_forward", args.x.dtype, [](auto) {});  // refuses other types
  for_rows(stream, args.y, [&](int n, int oy) { max_pool_forward_row(args, n, oy); });
}

void max_pool_backward(Stream& stream, const MaxPoolBackwardArgs& args) {
  with_float_type("max_pool_backward", args.dx.dtype, [](auto) {});  // refuses other types
  for_rows(stream, args.dx, [&](int n, int iy) { max_pool_backward_row(args, n, iy); });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void max_pool_forward(Stream& stream, const MaxPoolForwardArgs& args);
void max_pool_backward(Stream& stream, const MaxPoolBackwardArgs& args);
}  // namespace cuda
#endif

namespace {

void check_pool(const char* op, const TensorView& x, const TensorView& y, const PoolOptions& o) {
  if (o.kernel < 1 || o.kernel > 16 || o.stride < 1 || o.padding < 0 || o.padding > o.kernel / 2) {
    fail<ShapeError>(
        "{}: kernel {}, stride {}, padding {}: the kernel must be 1..16 and the padding at most half of it", op,
        o.kernel, o.stride, o.padding);
  }
  const Shape wanted{x.n, pool_output_size(x.h, o), pool_output_size(x.w, o), x.c};
  if (y.shape() != wanted) fail<ShapeError>("{}: the output is {}, not {}", op, wanted.str(), y.shape().str());
  check_same_dtype(op, x, y);
}

}  // namespace

int pool_output_size(int size, const PoolOptions& o) {
  if (size + 2 * o.padding < o.kernel)
    fail<ShapeError>("max_pool: a window of {} does not fit {} pixels", o.kernel, size);
  return (size + 2 * o.padding - o.kernel) / o.stride + 1;
}

void max_pool_forward(Stream& stream, const MaxPoolForwardArgs& args) {
  check_pool("max_pool_forward", args.x, args.y, args.options);
  BOXCAR_DISPATCH(stream, max_pool_forward, args);
}

void max_pool_backward(Stream& stream, const MaxPoolBackwardArgs& args) {
  check_pool("max_pool_backward", args.dx, args.dy, args.options);
  BOXCAR_DISPATCH(stream, max_pool_backward, args);
}

}  // namespace boxcar::kernels
