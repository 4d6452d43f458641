#include "boxcar/kernels/reduce/reduce.h"

#include <memory_resource>
#include <vector>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/elementwise/strided.h"
#include "boxcar/kernels/reduce/reduce_math.h"

namespace boxcar::kernels {
namespace {

constexpr std::int64_t kBlock = 4096;

/// The elements of x that one element of y answers for: a box of `inner` sizes from `first(y index)` on.
struct Groups {
  Strided x;
  std::array<int, 4> outer, inner;

  Groups(const TensorView& from, const TensorView& y) : x(strided(from)), outer(sizes_of(y.shape())), inner(x.size) {
    for (int axis = 0; axis < 4; ++axis) {
      if (outer[axis] == x.size[axis]) inner[axis] = 1;
    }
  }
  static std::int64_t count(const std::array<int, 4>& s) { return std::int64_t{s[0]} * s[1] * s[2] * s[3]; }
  static std::int64_t offset(const Strided& of, const std::array<int, 4>& sizes, std::int64_t index) {
    std::int64_t at = 0;
    for (int axis = 3; axis >= 0; --axis) {
      at += index % sizes[axis] * of.stride[axis];
      index /= sizes[axis];
    }
    return at;
  }
  /// Offset in `like` (of x's shape) of element `i` of group `g`.
  std::int64_t element(const Strided& like, std::int64_t g, std::int64_t i) const {
    return offset(like, outer, g) + offset(like, inner, i);
  }
};

void check_groups(const char* op, const TensorView& from, const TensorView& y) {
  if (from.dtype != DType::kF32 || y.dtype != DType::kF32 || !y.packed()) {
    fail<ShapeError>("{} works on f32 and writes packed f32", op);
  }
  const std::array<int, 4> whole = sizes_of(from.shape()), outer = sizes_of(y.shape());
  for (int axis = 0; axis < 4; ++axis) {
    if (outer[axis] != 1 && outer[axis] != whole[axis]) {
      fail<ShapeError>("{}: {} does not reduce to {}", op, from.shape().str(), y.shape().str());
    }
  }
}

double reduce_block(const Groups& groups, Reduction reduction, std::int64_t g, std::int64_t begin, std::int64_t end) {
  const float* from = groups.x.data + Groups::offset(groups.x, groups.outer, g);
  double value = identity_of(reduction);
  for (std::int64_t i = begin; i < end; ++i) {
    value = combined(reduction, value, from[Groups::offset(groups.x, groups.inner, i)]);
  }
  return value;
}

}  // namespace

namespace cpu {

void reduce(Stream& stream, const ReduceArgs& args) {
  const Groups groups(args.x, args.y);
  const std::int64_t outer = Groups::count(groups.outer), inner = Groups::count(groups.inner);
  const std::int64_t blocks = std::max<std::int64_t>(1, (inner + kBlock - 1) / kBlock);
  std::pmr::vector<double> slots(static_cast<std::size_t>(outer * blocks), stream.scratch());
  const std::int64_t grain = std::max<std::int64_t>(1, kBlock / std::max<std::int64_t>(1, inner));
  parallel_for(stream.threads(), outer * blocks, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t s = begin; s < end; ++s) {
      const std::int64_t first = s % blocks * kBlock;
      slots[s] = reduce_block(groups, args.reduction, s / blocks, first, std::min(inner, first + kBlock));
    }
  });
  for (std::int64_t g = 0; g < outer; ++g) {
    double value = slots[g * blocks];
    for (std::int64_t b = 1; b < blocks; ++b) value = combined(args.reduction, value, slots[g * blocks + b]);
    args.y.as<float>()[g] = static_cast<float>(args.reduction == Reduction::kSum ? value * args.scale : value);
  }
}

void reduce_max_backward(Stream& stream, const ReduceMaxBackwardArgs& args) {
  const Groups groups(args.x, args.y);
  const Strided dx = strided(args.dx);
  const std::int64_t inner = Groups::count(groups.inner);
  parallel_for(stream.threads(), Groups::count(groups.outer), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g) {
      const float largest = args.y.as<const float>()[g];
      const auto wins = [&](std::int64_t i) { return groups.x.data[groups.element(groups.x, g, i)] == largest; };
      std::int64_t winners = 0;
      for (std::int64_t i = 0; i < inner; ++i) winners += wins(i);
      const float part = args.dy.as<const float>()[g] / static_cast<float>(std::max<std::int64_t>(1, winners));
      for (std::int64_t i = 0; i < inner; ++i) dx.data[groups.element(dx, g, i)] = wins(i) ? part : 0.0f;
    }
  });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void reduce(Stream& stream, const ReduceArgs& args);
void reduce_max_backward(Stream& stream, const ReduceMaxBackwardArgs& args);
}  // namespace cuda
#endif

void reduce(Stream& stream, const ReduceArgs& args) {
  check_groups("reduce", args.x, args.y);
  if (args.reduction == Reduction::kMax && args.x.count() == 0 && args.y.count() > 0) {
    fail<ShapeError>("reduce: nothing to take the largest value of");
  }
  BOXCAR_DISPATCH(stream, reduce, args);
}

void reduce_max_backward(Stream& stream, const ReduceMaxBackwardArgs& args) {
  check_groups("reduce_max_backward", args.x, args.y);
  check_same_shape("reduce_max_backward", args.y, args.dy);
  check_packed("reduce_max_backward", "dy", args.dy);
  check_same_shape("reduce_max_backward", args.x, args.dx);
  BOXCAR_DISPATCH(stream, reduce_max_backward, args);
}

}  // namespace boxcar::kernels
