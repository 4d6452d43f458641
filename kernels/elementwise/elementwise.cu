#include "boxcar/kernels/elementwise/elementwise.h"

#include "boxcar/kernels/elementwise/strided_device.h"

namespace boxcar::kernels::cuda {
namespace {

// In each of these a thread owns one element.

__global__ void __launch_bounds__(kWalkThreads) unary_kernel(UnaryFunction function, StridedWalk<2> xy) {
  float* at[2];
  if (xy.find(at)) *at[1] = unary_value(function, *at[0]);
}

__global__ void __launch_bounds__(kWalkThreads) unary_backward_kernel(UnaryFunction function, StridedWalk<3> x_dy_dx) {
  float* at[3];
  if (!x_dy_dx.find(at)) return;
  const float g = *at[1];
  *at[2] = g == 0.0f ? 0.0f : g * unary_slope(function, *at[0]);
}

__global__ void __launch_bounds__(kWalkThreads) binary_kernel(BinaryOp op, StridedWalk<3> aby) {
  float* at[3];
  if (aby.find(at)) *at[2] = binary_value(op, *at[0], *at[1]);
}

__global__ void __launch_bounds__(kWalkThreads)
    binary_backward_kernel(BinaryOp op, StridedWalk<5> a_b_dy_da_db, bool wants_da, bool wants_db) {
  float* at[5];
  if (!a_b_dy_da_db.find(at)) return;
  const BinarySlopes<float> slopes = binary_slopes(op, *at[0], *at[1]);
  const float g = *at[2];
  if (wants_da) *at[3] = g == 0.0f ? 0.0f : g * slopes.a;
  if (wants_db) *at[4] = g == 0.0f ? 0.0f : g * slopes.b;
}

__global__ void __launch_bounds__(kWalkThreads) where_kernel(StridedWalk<4> condition_a_b_y) {
  float* at[4];
  if (condition_a_b_y.find(at)) *at[3] = *at[0] != 0.0f ? *at[1] : *at[2];
}

}  // namespace

void unary(Stream& stream, const UnaryArgs& args) {
  const StridedWalk<2> walk(strided(args.x), strided(args.y));
  launch("unary", unary_kernel, walk.grid(), stream, args.function, walk);
}

void unary_backward(Stream& stream, const UnaryBackwardArgs& args) {
  const StridedWalk<3> walk(strided(args.x), strided(args.dy), strided(args.dx));
  launch("unary_backward", unary_backward_kernel, walk.grid(), stream, args.function, walk);
}

void binary(Stream& stream, const BinaryArgs& args) {
  const Shape shape = args.y.shape();
  const StridedWalk<3> walk(broadcast("binary", args.a, shape), broadcast("binary", args.b, shape), strided(args.y));
  launch("binary", binary_kernel, walk.grid(), stream, args.op, walk);
}

void binary_backward(Stream& stream, const BinaryBackwardArgs& args) {
  const Shape shape = args.dy.shape();
  const auto or_dy = [&](const TensorView& d) { return strided(d.data ? d : args.dy); };
  const StridedWalk<5> walk(broadcast("binary_backward", args.a, shape), broadcast("binary_backward", args.b, shape),
                            strided(args.dy), or_dy(args.da), or_dy(args.db));
  launch("binary_backward", binary_backward_kernel, walk.grid(), stream, args.op, walk, args.da.data != nullptr,
         args.db.data != nullptr);
}

void where(Stream& stream, const WhereArgs& args) {
  const Shape shape = args.y.shape();
  const StridedWalk<4> walk(broadcast("where", args.condition, shape), broadcast("where", args.a, shape),
                            broadcast("where", args.b, shape), strided(args.y));
  launch("where", where_kernel, walk.grid(), stream, walk);
}

}  // namespace boxcar::kernels::cuda
