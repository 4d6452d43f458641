// Weight gradients whose sum over the batch is made in parts.
#pragma once

#include <algorithm>
#include <bit>

#include "boxcar/kernels/conv/conv.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels::cpu {

/// How many parts of at least `fewest` of `count` rows (tiles, ...) a sum of `size` floats is made in: a power of two,
/// so that they share out evenly. It follows from the shape, as bits depend on it.
inline std::int64_t weight_grad_part_count(std::int64_t count, std::int64_t fewest, std::int64_t size) {
  constexpr std::int64_t kMost = 64;               // more threads than this find no work
  constexpr std::int64_t kMostFloats = 4LL << 20;  // of all parts
  const std::int64_t parts = std::clamp<std::int64_t>(std::min(count / fewest, kMostFloats / size), 1, kMost);
  return static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(parts)));
}

/// dw, written or added to, from `parts` packed gradients one after the other, in their order.
inline void sum_weight_grad_parts(Stream& stream, const float* grads, std::int64_t parts, const TensorView& dw,
                                  GradMode mode) {
  const std::int64_t size = dw.count();
  float* to = static_cast<float*>(dw.data);
  parallel_for(stream.threads(), size, 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      float sum = 0;
      for (std::int64_t part = 0; part < parts; ++part) sum += grads[part * size + i];
      to[i] = mode == GradMode::kAdd ? to[i] + sum : sum;
    }
  });
}

}  // namespace boxcar::kernels::cpu
