#include "boxcar/kernels/reduce/reduce.h"

#include <limits>
#include <memory_resource>
#include <vector>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/elementwise/strided.h"

namespace boxcar::kernels {
namespace {

constexpr std::int64_t kBlock = 4096;

/// The elements of x that one element of y answers for: a box of `inner` sizes from `first(y index)` on.
struct Groups {
  Strided x;
  std::array<int, 4> outer, inner;

  Groups(const char* op, const TensorView& from, const TensorView& y)
      : x(strided(from)), outer(sizes_of(y.shape())), inner(x.size) {
    if (from.dtype != DType::kF32 || y.dtype != DType::kF32 || !y.packed()) {
      fail<ShapeError>("{} works on f32 and writes packed f32", op);
    }
    for (int axis = 0; axis < 4; ++axis) {
      if (outer[axis] != 1 && outer[axis] != x.size[axis]) {
        fail<ShapeError>("{}: {} does not reduce to {}", op, from.shape().str(), y.shape().str());
      }
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

double reduce_block(const Groups& groups, Reduction reduction, std::int64_t g, std::int64_t begin, std::int64_t end) {
  const float* from = groups.x.data + Groups::offset(groups.x, groups.outer, g);
  double value = reduction == Reduction::kSum ? 0.0 : -std::numeric_limits<double>::infinity();
  for (std::int64_t i = begin; i < end; ++i) {
    const double v = from[Groups::offset(groups.x, groups.inner, i)];
    if (reduction == Reduction::kSum) {
      value += v;
    } else if (v > value || v != v) {
      value = v;
    }
  }
  return value;
}

}  // namespace

namespace cpu {

void reduce(Stream& stream, const ReduceArgs& args) {
  const Groups groups("reduce", args.x, args.y);
  const std::int64_t outer = Groups::count(groups.outer), inner = Groups::count(groups.inner);
  const std::int64_t blocks = std::max<std::int64_t>(1, (inner + kBlock - 1) / kBlock);
  const bool sum = args.reduction == Reduction::kSum;
  if (!sum && inner == 0 && outer > 0) fail<ShapeError>("reduce: nothing to take the largest value of");
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
    for (std::int64_t b = 1; b < blocks; ++b) {
      const double v = slots[g * blocks + b];
      value = sum ? value + v : (v > value || v != v ? v : value);
    }
    args.y.as<float>()[g] = static_cast<float>(sum ? value * args.scale : value);
  }
}

void reduce_max_backward(Stream& stream, const ReduceMaxBackwardArgs& args) {
  const Groups groups("reduce_max_backward", args.x, args.y);
  check_same_shape("reduce_max_backward", args.y, args.dy);
  check_packed("reduce_max_backward", "dy", args.dy);
  check_same_shape("reduce_max_backward", args.x, args.dx);
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

void reduce(Stream& stream, const ReduceArgs& args) { BOXCAR_DISPATCH_CPU(stream, reduce, args); }
void reduce_max_backward(Stream& stream, const ReduceMaxBackwardArgs& args) {
  BOXCAR_DISPATCH_CPU(stream, reduce_max_backward, args);
}

}  // namespace boxcar::kernels
