// Tensor cores: fragments of bf16 matrices, which the 32 lanes of a warp hold together; for .cu files only.
//
// With g = lane / 4 and t = lane % 4, a lane holds (PTX ISA, "Matrix fragments for mma.m16n8k16")
//   of A, 16 rows x 16 k:     [0] row g, [1] row g + 8, each k 2t and 2t+1; [2], [3] the same rows, k 2t+8 and 2t+9
//   of B, 16 k x 8 columns:   [0] k 2t and 2t+1, [1] k 2t+8 and 2t+9, each column g
//   of C, 16 rows x 8 columns: [0], [1] row g, columns 2t and 2t+1; [2], [3] the same of row g + 8
// where two bf16 share an unsigned, the first in the lower half. All functions are for whole warps.
#pragma once

#include "boxcar/kernels/common/launch.h"

namespace boxcar::kernels::cuda {

struct FragmentA {
  unsigned pairs[4];
};
struct FragmentB {
  unsigned pairs[2];
};
struct FragmentC {
  float values[4] = {};
};

#if defined(__CUDACC__)

/// Four matrices of 8 x 8 from shared memory: lane 8m + r tells where row r of matrix m begins (aligned to 16 bytes).
/// Of each a lane gets the elements 2t and 2t+1 of row g; with kTransposed those of column g.
template <bool kTransposed>
BOXCAR_DEVICE void load_matrices(const __nv_bfloat16* row, unsigned (&pairs)[4]) {
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(pairs[0]), "=r"(pairs[1]), "=r"(pairs[2]), "=r"(pairs[3])
                 : "r"(address)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(pairs[0]), "=r"(pairs[1]), "=r"(pairs[2]), "=r"(pairs[3])
                 : "r"(address)
                 : "memory");
  }
}

/// c += a b; products and sums in f32.
BOXCAR_DEVICE void multiply_add(FragmentC& c, const FragmentA& a, const FragmentB& b) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c.values[0]), "+f"(c.values[1]), "+f"(c.values[2]), "+f"(c.values[3])
      : "r"(a.pairs[0]), "r"(a.pairs[1]), "r"(a.pairs[2]), "r"(a.pairs[3]), "r"(b.pairs[0]), "r"(b.pairs[1]));
}

#else

// The same on the CPU, where lanes read what others hold.

// Calls read(all): what each of the 32 lanes gives as `mine`.
template <class T, class F>
BOXCAR_DEVICE void with_all_lanes(const T& mine, F&& read) {
  T storage[32];
  T* const all = __shfl_sync(0xffffffffu, &storage[0], 0);
  all[emulation::lane()] = mine;
  __syncwarp();
  read(static_cast<const T*>(all));
  __syncwarp();
}

template <bool kTransposed>
BOXCAR_DEVICE void load_matrices(const __nv_bfloat16* row, unsigned (&pairs)[4]) {
  const int g = emulation::lane() / 4, t = emulation::lane() % 4;
  with_all_lanes(row, [&](const __nv_bfloat16* const* rows) {
    const auto element = [&](int matrix, int r, int i) -> unsigned {
      const uint4 all = *reinterpret_cast<const uint4*>(rows[8 * matrix + r]);  // aligned as the hardware wants it
      unsigned short bits[8];
      memcpy(bits, &all, sizeof(all));
      return bits[i];
    };
    for (int m = 0; m < 4; ++m) {
      pairs[m] = kTransposed ? element(m, 2 * t, g) | element(m, 2 * t + 1, g) << 16
                             : element(m, g, 2 * t) | element(m, g, 2 * t + 1) << 16;
    }
  });
}

BOXCAR_DEVICE float element_of(unsigned pair, int i) {
  return __uint_as_float(i == 0 ? pair << 16 : pair & 0xffff0000u);
}

BOXCAR_DEVICE void multiply_add(FragmentC& c, const FragmentA& a, const FragmentB& b) {
  struct Both {
    FragmentA a;
    FragmentB b;
  };
  const int g = emulation::lane() / 4, t = emulation::lane() % 4;
  with_all_lanes(Both{a, b}, [&](const Both* lanes) {
    for (int i = 0; i < 4; ++i) {
      const int half = i / 2, column = 2 * t + i % 2;
      for (int k = 0; k < 16; ++k) {
        const int lane = k % 8 / 2, upper = k / 8;  // who of four holds it, in which pair
        c.values[i] += element_of(lanes[4 * g + lane].a.pairs[half + 2 * upper], k % 2) *
                       element_of(lanes[4 * column + lane].b.pairs[upper], k % 2);
      }
    }
  });
}

#endif

}  // namespace boxcar::kernels::cuda
