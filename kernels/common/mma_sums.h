// Tiles of products of bf16 on tensor cores, for multiply_tile(); for .cu files only.
#pragma once

#include "boxcar/kernels/common/matrix_tile.h"
#include "boxcar/kernels/common/mma.h"

namespace boxcar::kernels::cuda {

/// Shared memory for one step of an operand, in the order in which its vectors come: rows of k, or k rows. 16 bytes
/// more a line put the eight lines of a matrix into different banks.
template <int kRows, int kDepth, bool kAlong>
struct Bf16Panel {
  using Element = __nv_bfloat16;
  static constexpr bool kAlongDepth = kAlong;
  static constexpr int kStride = (kAlongDepth ? kDepth : kRows) + 8;
  static constexpr int kElements = (kAlongDepth ? kRows : kDepth) * kStride;

  BOXCAR_DEVICE static int offset(int row, int k) { return kAlongDepth ? row * kStride + k : k * kStride + row; }

  template <int kWidth, class From>
  BOXCAR_DEVICE static void store(Element* panel, int row, int k, const From (&elements)[kWidth]) {
    Element rounded[kWidth];
#pragma unroll
    for (int i = 0; i < kWidth; ++i) rounded[i] = static_cast<Element>(elements[i]);
    store_elements(panel + offset(row, k), rounded);
  }

  /// The calling lane's line of four matrices of 8 x 8, given the place of its matrix in units of 8.
  BOXCAR_DEVICE static const Element* line(const Element* panel, int row, int k, int rows8, int k8) {
    const int i = lane_of_warp() % 8;
    return panel + offset(row + rows8 * 8 + (kAlongDepth ? i : 0), k + k8 * 8 + (kAlongDepth ? 0 : i));
  }
};

/// A thread's part of its warp's results: fragments of 16 rows x 8 columns.
template <class Tile>
class MmaSums {
  static constexpr int kDown = Tile::kWarpRows / 16, kAcross = Tile::kWarpColumns / 8;
  static_assert(Tile::kWarpRows % 16 == 0 && Tile::kWarpColumns % 16 == 0 && Tile::kDepth % 16 == 0);

 public:
  static constexpr int kThreadRows = 2 * kDown, kThreadColumns = 2 * kAcross;

  template <bool kAlongDepth, int kPanelRows>
  using Panel = Bf16Panel<kPanelRows, Tile::kDepth, kAlongDepth>;

  template <class APanel, class BPanel>
  BOXCAR_DEVICE void add(const __nv_bfloat16* a, const __nv_bfloat16* b) {
    const int odd = lane_of_warp() / 8 % 2, upper = lane_of_warp() / 16;  // which of the four matrices
#pragma unroll
    for (int k = 0; k < Tile::kDepth; k += 16) {
      FragmentA rows[kDown];
#pragma unroll
      for (int i = 0; i < kDown; ++i) {
        const int row = warp_row<Tile>() + i * 16;
        load_matrices<!APanel::kAlongDepth>(APanel::line(a, row, k, odd, upper), rows[i].pairs);
      }
#pragma unroll
      for (int j = 0; j < kAcross; j += 2) {
        const int column = warp_column<Tile>() + j * 8;
        unsigned pairs[4];
        load_matrices<!BPanel::kAlongDepth>(BPanel::line(b, column, k, upper, odd), pairs);
#pragma unroll
        for (int i = 0; i < kDown; ++i) {
          multiply_add(sums_[i][j], rows[i], {{pairs[0], pairs[1]}});
          multiply_add(sums_[i][j + 1], rows[i], {{pairs[2], pairs[3]}});
        }
      }
    }
  }

  /// As of FloatSums.
  BOXCAR_DEVICE static int row(int i) { return warp_row<Tile>() + lane_of_warp() / 4 + i * 8; }
  BOXCAR_DEVICE static int column(int j) { return warp_column<Tile>() + lane_of_warp() % 4 * 2 + j / 2 * 8 + j % 2; }
  BOXCAR_DEVICE float value(int i, int j) const { return sums_[i / 2][j / 2].values[i % 2 * 2 + j % 2]; }

  template <class F>
  BOXCAR_DEVICE void for_pairs(F&& f) {
#pragma unroll
    for (int i = 0; i < kDown; ++i) {
#pragma unroll
      for (int j = 0; j < kAcross; ++j) {
        float(&values)[4] = sums_[i][j].values;
        f(row(2 * i), column(2 * j), values[0], values[1]);
        f(row(2 * i + 1), column(2 * j), values[2], values[3]);
      }
    }
  }

 private:
  FragmentC sums_[kDown][kAcross];
};

}  // namespace boxcar::kernels::cuda
