// What the CPU's own convolutions share: sums over the batch in parts, and memory for them.
#pragma once

#include <algorithm>
#include <bit>

#include "boxcar/kernels/conv/conv.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels::cpu {

/// Temporary memory: `rows` rows of `width` floats, one for each part or thread.
inline Tensor scratch_rows(Stream& stream, std::int64_t rows, std::int64_t width) {
  return Tensor::empty(stream, {1, 1, static_cast<int>(rows), static_cast<int>(width)});
}

/// How many parts of at least `fewest` of `count` rows (tiles, ...) a sum of `size` floats is made in: a power of two,
/// so that they share out evenly. It follows from the shape, as bits depend on it.
inline std::int64_t weight_grad_part_count(std::int64_t count, std::int64_t fewest, std::int64_t size) {
  constexpr std::int64_t kMost = 64;               // more threads than this find no work
  constexpr std::int64_t kMostFloats = 4LL << 20;  // of all parts
  const std::int64_t parts = std::clamp<std::int64_t>(std::min(count / fewest, kMostFloats / size), 1, kMost);
  return static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(parts)));
}

/// dw, of any pixel stride, written or added to, from `parts` packed gradients one after the other, in their order.
inline void sum_weight_grad_parts(Stream& stream, const float* grads, std::int64_t parts, const TensorView& dw,
                                  GradMode mode) {
  constexpr std::int64_t kAtOnce = 1024;  // their sum stays in the first cache while the parts go by
  const std::int64_t size = dw.count(), width = dw.packed() ? size : dw.c;
  const std::int64_t pieces = (width + kAtOnce - 1) / kAtOnce;  // of a row
  const std::int64_t grain = std::max<std::int64_t>(4, 4 * kAtOnce / width);
  parallel_for(stream.threads(), size / width * pieces, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t row = i / pieces, begin = i % pieces * kAtOnce, count = std::min(kAtOnce, width - begin);
      float* const to = static_cast<float*>(dw.data) + row * dw.ld + begin;
      float sums[kAtOnce] = {};
      for (std::int64_t part = 0; part < parts; ++part) {
        const float* from = grads + part * size + row * width + begin;
        for (std::int64_t j = 0; j < count; ++j) sums[j] += from[j];
      }
      for (std::int64_t j = 0; j < count; ++j) to[j] = mode == GradMode::kAdd ? to[j] + sums[j] : sums[j];
    }
  });
}

}  // namespace boxcar::kernels::cpu
