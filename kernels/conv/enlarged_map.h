// A small map [N,h,w,C] in f32 that stands for one of f*h x f*w pixels: each of its pixels for a square (nearest
// neighbour).
#pragma once

#include "boxcar/kernels/common/rows.h"

namespace boxcar::kernels::cpu {

class EnlargedMap {
 public:
  /// `small` as enlarged to `width` pixels a row, a multiple of its own.
  EnlargedMap(const TensorView& small, int width) : small_(small), width_(width), factor_(width / small.w) {}

  const TensorView& small() const { return small_; }
  /// Pixels of the enlarged map after which a pixel of the small one begins that was not met before: its rows that show
  /// one row of the small map.
  std::int64_t band() const { return std::int64_t{width_} * factor_; }

  /// Pixels [begin, end) of the enlarged map to rows of `to`, `ld` floats apart.
  void read(std::int64_t begin, std::int64_t end, float* to, std::int64_t ld) const;
  /// The adjoint: rows of pixels [begin, end), packed, are added to the pixels of the small map that they show.
  void add(std::int64_t begin, std::int64_t end, const float* from) const;
  /// Zeros to the small map's pixels that bands [begin, end) show, `begin` and `end` in pixels.
  void clear(std::int64_t begin, std::int64_t end) const;

 private:
  TensorView small_;
  int width_, factor_;
};

}  // namespace boxcar::kernels::cpu
