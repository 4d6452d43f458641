#include <algorithm>
#include <bit>

#include "boxcar/kernels/elementwise/strided_device.h"
#include "boxcar/kernels/reduce/reduce_math.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// The elements of x that make one element of y, and how threads share them: `rows` (a power of two) of a block for each
// element of y, `chunks` blocks.
struct Groups {
  StridedWalk<1> outer, inner;
  const float* x;
  int rows;
  bool side_by_side;  // neighbours of y lie side by side in x: so do the threads for them
  std::int64_t chunks;
};

Groups groups_of(const TensorView& x, const TensorView& y) {
  Strided outer = strided(x), inner = outer;
  outer.size = sizes_of(y.shape());
  for (int axis = 0; axis < 4; ++axis) {
    if (outer.size[axis] == inner.size[axis]) inner.size[axis] = 1;
  }
  const StridedWalk<1> outer_walk(outer), inner_walk(inner);
  const bool side_by_side = y.c > 1;
  const auto most = static_cast<unsigned>(side_by_side ? 16 : kThreads);
  const unsigned rows = std::bit_ceil(static_cast<unsigned>(std::clamp<std::int64_t>(inner_walk.count(), 1, most)));
  constexpr std::int64_t kChunk = 4096, kMostChunks = 512;
  const std::int64_t chunks = std::clamp<std::int64_t>((inner_walk.count() + kChunk - 1) / kChunk, 1, kMostChunks);
  return {outer_walk, inner_walk, x.as<const float>(), static_cast<int>(rows), side_by_side, chunks};
}

// `rows` threads reduce one chunk of one element of y: each takes every rows-th, a tree puts them together. All in
// double. To `partial` [chunks, y's count] where there are several chunks, else to y.
__global__ void __launch_bounds__(kThreads)
    reduce_kernel(Groups groups, Reduction reduction, double scale, double* partial, float* y) {
  BOXCAR_SHARED(double, table, [kThreads]);
  const int rows = groups.rows, lanes = kThreads / rows, thread = static_cast<int>(threadIdx.x);
  const int lane = groups.side_by_side ? thread % lanes : thread / rows;
  const int row = groups.side_by_side ? thread / lanes : thread % rows;
  const std::int64_t group = std::int64_t{blockIdx.x} * lanes + lane;
  double value = identity_of(reduction);
  if (group < groups.outer.count()) {
    const std::int64_t count = groups.inner.count();
    const std::int64_t end = count * (blockIdx.y + 1) / groups.chunks;
    std::int64_t first[1], at[1];
    groups.outer.offsets(group, first);
    for (std::int64_t i = count * blockIdx.y / groups.chunks + row; i < end; i += rows) {
      groups.inner.offsets(i, at);
      value = combined(reduction, value, groups.x[first[0] + at[0]]);
    }
  }
  double* mine = table + lane * rows + row;
  *mine = value;
  for (int half = rows / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row < half) *mine = combined(reduction, *mine, mine[half]);
  }
  if (row != 0 || group >= groups.outer.count()) return;
  if (groups.chunks > 1) {
    partial[blockIdx.y * groups.outer.count() + group] = *mine;
  } else {
    y[group] = static_cast<float>(*mine * scale);
  }
}

// A thread owns one element of y and puts its chunks together in their order.
__global__ void __launch_bounds__(kThreads)
    reduce_chunks_kernel(const double* partial, Reduction reduction, double scale, float* y, std::int64_t count,
                         std::int64_t chunks) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= count) return;
  double value = identity_of(reduction);
#pragma unroll 8
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    value = combined(reduction, value, partial[chunk * count + i]);
  }
  y[i] = static_cast<float>(value * scale);
}

// A thread owns one element of x. Counts of integers do not depend on their order.
__global__ void __launch_bounds__(kWalkThreads) count_winners_kernel(StridedWalk<3> x_y_counts) {
  float* at[3];
  if (x_y_counts.find(at) && *at[0] == *at[1]) atomicAdd(reinterpret_cast<int*>(at[2]), 1);
}

// A thread owns one element of dx.
__global__ void __launch_bounds__(kWalkThreads) reduce_max_backward_kernel(StridedWalk<5> x_y_counts_dy_dx) {
  float* at[5];
  if (!x_y_counts_dy_dx.find(at)) return;
  const int winners = *reinterpret_cast<const int*>(at[2]);
  *at[4] = *at[0] == *at[1] ? *at[3] / static_cast<float>(winners) : 0.0f;
}

}  // namespace

void reduce(Stream& stream, const ReduceArgs& args) {
  const Groups groups = groups_of(args.x, args.y);
  const std::int64_t count = args.y.count();
  const double scale = args.reduction == Reduction::kSum ? args.scale : 1.0;
  Tensor partial;
  if (groups.chunks > 1) {  // doubles, in the space of two floats each
    partial = Tensor::empty(stream, {1, static_cast<int>(groups.chunks), 2, static_cast<int>(count)});
  }
  Grid grid = grid_for(count, static_cast<unsigned>(kThreads / groups.rows));
  grid.blocks.y = static_cast<unsigned>(groups.chunks);
  grid.threads = dim3(kThreads);
  launch("reduce", reduce_kernel, grid, stream, groups, args.reduction, scale, partial.as<double>(), args.y.as());
  if (groups.chunks == 1) return;
  launch("reduce_chunks", reduce_chunks_kernel, grid_for(count, kThreads), stream, partial.as<const double>(),
         args.reduction, scale, args.y.as(), count, groups.chunks);
}

void reduce_max_backward(Stream& stream, const ReduceMaxBackwardArgs& args) {
  const char* op = "reduce_max_backward";
  const Shape shape = args.x.shape();
  const Tensor counts = Tensor::zeros(stream, args.y.shape(), DType::kI32);
  const Strided x = strided(args.x), y = broadcast(op, args.y, shape), winners = broadcast(op, counts, shape);
  const StridedWalk<3> count(x, y, winners);
  launch("count_winners", count_winners_kernel, count.grid(), stream, count);
  const StridedWalk<5> write(x, y, winners, broadcast(op, args.dy, shape), strided(args.dx));
  launch("reduce_max_backward", reduce_max_backward_kernel, write.grid(), stream, write);
}

}  // namespace boxcar::kernels::cuda
