// The product of two matrices, a tile of it for each block; for .cu files only.
//
// A block owns Tile::kRows x Tile::kColumns results. It goes along k in steps of Tile::kDepth: elements of both
// operands come from global memory into registers while the step before is computed, and from there into one of two
// buffers of shared memory. Results are sums in the order of k: the bits do not depend on the tile.
//
// An operand says where its elements lie. It need not be a matrix in memory (kernels/conv/conv_patches.h):
//
//   using Element = float;
//   static constexpr int kWidth = 4;            // neighbours that one access takes
//   static constexpr bool kAlongDepth = true;   // whether these are neighbours in k; else in rows
//   Row row(int i);                             // what there is to know of a row (of B: a column)
//   Place place(int k);                         // and of a k
//   const Element* at(Row, Place);              // kWidth elements from there on; null: zeros
#pragma once

#include <utility>

#include "boxcar/kernels/common/device_vector.h"

namespace boxcar::kernels::cuda {

/// Sizes of a block's and of a warp's part.
template <int kTileRows, int kTileColumns, int kTileDepth, int kRowsOfWarp, int kColumnsOfWarp>
struct MatrixTile {
  static constexpr int kRows = kTileRows, kColumns = kTileColumns, kDepth = kTileDepth;
  static constexpr int kWarpRows = kRowsOfWarp, kWarpColumns = kColumnsOfWarp;
  static constexpr int kWarpsAcross = kColumns / kWarpColumns;
  static constexpr int kThreads = 32 * (kRows / kWarpRows) * kWarpsAcross;
};

/// A matrix in memory as an operand: `rows` rows of k elements if kAlong, else k rows of `rows` elements.
template <class T, int kVectorWidth, bool kAlong>
struct MatrixOperand {
  using Element = T;
  static constexpr int kWidth = kVectorWidth;
  static constexpr bool kAlongDepth = kAlong;
  const T* data;
  std::int64_t ld;
  int rows;

  BOXCAR_DEVICE const T* row(int i) const {
    if (i >= rows) return nullptr;
    return kAlong ? data + i * ld : data + i;
  }
  BOXCAR_DEVICE std::int64_t place(int k) const { return kAlong ? k : k * ld; }
  BOXCAR_DEVICE const T* at(const T* row, std::int64_t place) const { return row ? row + place : nullptr; }
};

/// The part of an operand's tile that one thread brings from global to shared memory.
template <class Operand, int kRows, int kDepth, int kThreads>
class OperandLoader {
  static constexpr int kWidth = Operand::kWidth;
  static constexpr bool kAlongDepth = Operand::kAlongDepth;
  static constexpr int kVectors = kRows * kDepth / kWidth, kAcross = (kAlongDepth ? kDepth : kRows) / kWidth;
  static constexpr int kSlots = (kVectors + kThreads - 1) / kThreads;
  static_assert(kThreads % kAcross == 0, "each of a thread's vectors lies at the same place across");

 public:
  BOXCAR_DEVICE OperandLoader(const Operand& operand, int first_row) : operand_(operand) {
#pragma unroll
    for (int slot = 0; slot < kRowSlots; ++slot) rows_[slot] = operand.row(first_row + row_of(slot));
  }

  /// Reads the elements from `k` on; those from `end` on are zeros.
  BOXCAR_DEVICE void load(int k, int end) {
#pragma unroll
    for (int slot = 0; slot < kSlots; ++slot) {
      const int at = k + depth_of(slot);
      const typename Operand::Element* from = nullptr;
      if (is_mine(slot) && at < end) from = operand_.at(rows_[kAlongDepth ? slot : 0], operand_.place(at));
      if (from) {
        load_elements(from, elements_[slot]);
      } else {
#pragma unroll
        for (int i = 0; i < kWidth; ++i) elements_[slot][i] = typename Operand::Element(0.0f);
      }
    }
  }

  /// Writes what was read.
  template <class Panel, class T>
  BOXCAR_DEVICE void store(T* shared) const {
#pragma unroll
    for (int slot = 0; slot < kSlots; ++slot) {
      if (is_mine(slot)) Panel::store(shared, row_of(slot), depth_of(slot), elements_[slot]);
    }
  }

 private:
  static constexpr int kRowSlots = kAlongDepth ? kSlots : 1;
  using Row = decltype(std::declval<const Operand&>().row(0));

  BOXCAR_DEVICE static int across() { return static_cast<int>(threadIdx.x) % kAcross * kWidth; }
  BOXCAR_DEVICE static int along(int slot) {
    return static_cast<int>(threadIdx.x) / kAcross + slot * (kThreads / kAcross);
  }
  BOXCAR_DEVICE static int row_of(int slot) { return kAlongDepth ? along(slot) : across(); }
  BOXCAR_DEVICE static int depth_of(int slot) { return kAlongDepth ? across() : along(slot); }
  BOXCAR_DEVICE static bool is_mine(int slot) {
    return kVectors % kThreads == 0 || static_cast<int>(threadIdx.x) + slot * kThreads < kVectors;
  }

  const Operand& operand_;
  Row rows_[kRowSlots];
  typename Operand::Element elements_[kSlots][kWidth];
};

/// Shared memory for one step of an operand of f32: k rows of kRows elements, aligned for accesses of four.
template <int kRows, int kDepth, bool kAlongDepth>
struct FloatPanel {
  using Element = float;
  static constexpr int kStride = kRows + 4, kElements = kDepth * kStride;

  template <int kWidth, class From>
  BOXCAR_DEVICE static void store(float* panel, int row, int k, const From (&elements)[kWidth]) {
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      panel[kAlongDepth ? (k + i) * kStride + row : k * kStride + row + i] = static_cast<float>(elements[i]);
    }
  }
};

BOXCAR_DEVICE int lane_of_warp() { return static_cast<int>(threadIdx.x) % 32; }

/// First row and column of the calling thread's warp in its block's tile.
template <class Tile>
BOXCAR_DEVICE int warp_row() {
  return static_cast<int>(threadIdx.x) / 32 / Tile::kWarpsAcross * Tile::kWarpRows;
}
template <class Tile>
BOXCAR_DEVICE int warp_column() {
  return static_cast<int>(threadIdx.x) / 32 % Tile::kWarpsAcross * Tile::kWarpColumns;
}

/// A thread's results, made with multiply-adds: the warp's lanes are 8 x 4, each with neighbouring rows and columns.
template <class Tile>
class FloatSums {
  static constexpr int kRows = Tile::kWarpRows / 8, kColumns = Tile::kWarpColumns / 4;
  static_assert(kRows <= 4 && kColumns % 4 == 0);

 public:
  static constexpr int kThreadRows = kRows, kThreadColumns = kColumns;

  template <bool kAlongDepth, int kPanelRows>
  using Panel = FloatPanel<kPanelRows, Tile::kDepth, kAlongDepth>;

  template <class APanel, class BPanel>
  BOXCAR_DEVICE void add(const float* a, const float* b) {
    a += row(0);
    b += column(0);
    // Four at once: with more, the loads of shared memory take all registers.
#pragma unroll 4
    for (int k = 0; k < Tile::kDepth; ++k) {
      float rows[kRows], columns[kColumns];
      load_elements(a + k * APanel::kStride, rows);
      load_elements(b + k * BPanel::kStride, columns);
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
#pragma unroll
        for (int j = 0; j < kColumns; ++j) sums_[i][j] += rows[i] * columns[j];
      }
    }
  }

  /// Where the thread's results lie, from the tile's corner on. Lanes that are equal modulo 4 have the same columns.
  BOXCAR_DEVICE static int row(int i) { return warp_row<Tile>() + lane_of_warp() / 4 * kRows + i; }
  BOXCAR_DEVICE static int column(int j) { return warp_column<Tile>() + lane_of_warp() % 4 * kColumns + j; }
  BOXCAR_DEVICE float value(int i, int j) const { return sums_[i][j]; }

  /// Calls f(row, column, value, value of the next column), row and column from the tile's corner on. f may change the
  /// values.
  template <class F>
  BOXCAR_DEVICE void for_pairs(F&& f) {
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
#pragma unroll
      for (int j = 0; j < kColumns; j += 2) f(row(i), column(j), sums_[i][j], sums_[i][j + 1]);
    }
  }

 private:
  float sums_[kRows][kColumns] = {};
};

/// The sum over k from `begin` to `end` of a(row, k) b(column, k) for the block's tile, whose first row and column are
/// given. Calls store(row, column, value, value of the next column), also beyond the operands' ends, and returns the
/// values as it left them. For all threads of a block of Tile::kThreads in x.
template <class Sums, class Tile, class A, class B, class Store>
BOXCAR_DEVICE Sums multiply_tile(const A& a, const B& b, int first_row, int first_column, int begin, int end,
                                 Store&& store) {
  using APanel = typename Sums::template Panel<A::kAlongDepth, Tile::kRows>;
  using BPanel = typename Sums::template Panel<B::kAlongDepth, Tile::kColumns>;
  using Element = typename APanel::Element;
  constexpr int kSize = static_cast<int>(sizeof(Element));
  static_assert(APanel::kElements * kSize % 16 == 0 && BPanel::kElements * kSize % 16 == 0);
  BOXCAR_SHARED(uint4, a_storage, [2][APanel::kElements * kSize / 16]);
  BOXCAR_SHARED(uint4, b_storage, [2][BPanel::kElements * kSize / 16]);
  OperandLoader<A, Tile::kRows, Tile::kDepth, Tile::kThreads> load_a(a, first_row);
  OperandLoader<B, Tile::kColumns, Tile::kDepth, Tile::kThreads> load_b(b, first_column);
  Sums sums;
  load_a.load(begin, end);
  load_b.load(begin, end);
  int buffer = 0;
  for (int k = begin; k < end; k += Tile::kDepth, buffer ^= 1) {
    Element* const a_panel = reinterpret_cast<Element*>(a_storage[buffer]);
    Element* const b_panel = reinterpret_cast<Element*>(b_storage[buffer]);
    load_a.template store<APanel>(a_panel);
    load_b.template store<BPanel>(b_panel);
    // One barrier a step: who passes it has left the other buffer.
    __syncthreads();
    if (k + Tile::kDepth < end) {
      load_a.load(k + Tile::kDepth, end);
      load_b.load(k + Tile::kDepth, end);
    }
    sums.template add<APanel, BPanel>(a_panel, b_panel);
  }
  sums.for_pairs(
      [&](int row, int column, float& v0, float& v1) { store(first_row + row, first_column + column, v0, v1); });
  return sums;
}

}  // namespace boxcar::kernels::cuda
