// Elements of a [n,h,w,c] tensor at strides of any size: broadcasting, slices and permutations.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/parallel/parallel_for.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// Sizes of the four axes n, h, w, c.
inline std::array<int, 4> sizes_of(const Shape& s) { return {s.n, s.h, s.w, s.c}; }
inline Shape shape_of(const std::array<int, 4>& sizes) { return {sizes[0], sizes[1], sizes[2], sizes[3]}; }

/// f32 memory read or written at `stride` elements from index to index of each axis.
struct Strided {
  float* data = nullptr;
  std::array<int, 4> size{1, 1, 1, 1};
  std::array<std::int64_t, 4> stride{};

  float* pixel(std::int64_t n, std::int64_t h, std::int64_t w) const {
    return data + n * stride[0] + h * stride[1] + w * stride[2];
  }
};

inline Strided strided(const TensorView& t) {
  return {t.as<float>(), sizes_of(t.shape()), {std::int64_t{t.h} * t.w * t.ld, t.w * t.ld, t.ld, 1}};
}

/// The tensor as if repeated along its axes of size 1. Throws ShapeError, naming the op, where another size differs.
inline Strided broadcast(const char* op, const TensorView& t, const Shape& to) {
  Strided s = strided(t);
  const std::array<int, 4> wanted = sizes_of(to);
  for (int axis = 0; axis < 4; ++axis) {
    if (s.size[axis] == wanted[axis]) continue;
    if (s.size[axis] != 1) fail<ShapeError>("{}: {} does not broadcast to {}", op, t.shape().str(), to.str());
    s.size[axis] = wanted[axis];
    s.stride[axis] = 0;
  }
  return s;
}

/// The shape of both operands after broadcasting. Throws ShapeError, naming the op, where sizes differ and none is 1.
inline Shape broadcast_shape(const char* op, const Shape& a, const Shape& b) {
  std::array<int, 4> out = sizes_of(a);
  const std::array<int, 4> other = sizes_of(b);
  for (int axis = 0; axis < 4; ++axis) {
    if (out[axis] != other[axis] && out[axis] != 1 && other[axis] != 1) {
      fail<ShapeError>("{}: {} and {} do not broadcast; sizes must agree or be 1", op, a.str(), b.str());
    }
    if (out[axis] == 1) out[axis] = other[axis];
  }
  return shape_of(out);
}

/// Calls f(n, h, w) for every pixel, on the stream's threads.
template <class F>
void for_each_pixel(Stream& stream, const Shape& shape, F&& f) {
  const std::int64_t grain = std::max<std::int64_t>(1, 4096 / std::max(shape.c, 1));
  parallel_for(stream.threads(), shape.pixels(), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) f(p / shape.w / shape.h, p / shape.w % shape.h, p % shape.w);
  });
}

}  // namespace boxcar::kernels
