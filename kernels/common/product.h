// A product of two small matrices, as the CPU's vector kernels take it (register_tile-inl.h).
#pragma once

#include <cstdint>

namespace boxcar::kernels {

/// c[r, j] = (add ? c[r, j] : 0) + sum over k < depth of a[r * a_row + k * a_step] * b[k * b_step + j].
/// Sums go in the order of k, each product and sum rounded once where the instruction set can.
struct Product {
  const float* a;
  std::int64_t a_row, a_step;
  const float* b;
  std::int64_t b_step;
  float* c;
  std::int64_t c_row;
  std::int64_t depth;
  bool add;
};

}  // namespace boxcar::kernels
