// Products of small matrices whose operands lie in the first caches: results stay in registers for the whole sum.
// Include it as simd-inl.h.
#if defined(BOXCAR_KERNELS_COMMON_REGISTER_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BOXCAR_KERNELS_COMMON_REGISTER_TILE_INL_H_
#undef BOXCAR_KERNELS_COMMON_REGISTER_TILE_INL_H_
#else
#define BOXCAR_KERNELS_COMMON_REGISTER_TILE_INL_H_
#endif

#include <algorithm>

#include "boxcar/kernels/common/product.h"
#include "boxcar/kernels/common/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {

/// kRows x kVectors vectors of results; with 32 registers 24 of them, with 16 registers 12.
template <int kRows, int kVectors, class D>
HWY_INLINE void multiply_tile(D d, const Product& p) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<D> sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = p.add ? hn::LoadU(d, p.c + r * p.c_row + v * lanes) : hn::Zero(d);
    }
  }
  const float *a = p.a, *b = p.b;
  for (std::int64_t k = 0; k < p.depth; ++k, a += p.a_step, b += p.b_step) {
    hn::Vec<D> row[kVectors];
    for (int v = 0; v < kVectors; ++v) row[v] = hn::LoadU(d, b + v * lanes);
    for (int r = 0; r < kRows; ++r) {
      const auto factor = hn::Set(d, a[r * p.a_row]);
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(factor, row[v], sum[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[r][v], d, p.c + r * p.c_row + v * lanes);
  }
}

template <int kRows, int kVectors, class D>
HWY_INLINE void multiply_rows(D d, Product& p, std::int64_t& rows) {
  for (; rows >= kRows; rows -= kRows, p.a += kRows * p.a_row, p.c += kRows * p.c_row) {
    multiply_tile<kRows, kVectors>(d, p);
  }
}

template <int kRows, int kVectors, class D>
HWY_INLINE void multiply_all_rows(D d, Product p, std::int64_t rows) {
  multiply_rows<kRows, kVectors>(d, p, rows);
  if constexpr (kRows > 4) multiply_rows<4, kVectors>(d, p, rows);
  multiply_rows<2, kVectors>(d, p, rows);
  multiply_rows<1, kVectors>(d, p, rows);
}

/// The first kVectors vectors of columns. The sum goes in parts whose piece of b stays in the first cache, which b's
/// own rows may not, be they wide apart: those are copied together.
template <int kRows, int kVectors, class D>
void multiply_columns(D d, Product p, std::int64_t rows) {
  constexpr std::int64_t kDepth = 128, kWidth = kVectors * std::int64_t{hn::MaxLanes(D())};
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const bool copies = p.b_step > kWidth && rows > 2 * kRows;
  alignas(64) float copy[kDepth * kWidth];
  for (std::int64_t left = p.depth; left > 0; left -= kDepth) {
    Product part = p;
    part.depth = std::min(left, kDepth);
    if (copies) {
      for (std::int64_t k = 0; k < part.depth; ++k) {
        for (int v = 0; v < kVectors; ++v) {
          hn::Store(hn::LoadU(d, p.b + k * p.b_step + v * lanes), d, copy + k * kWidth + v * lanes);
        }
      }
      part.b = copy;
      part.b_step = kWidth;
    }
    multiply_all_rows<kRows, kVectors>(d, part, rows);
    p.a += kDepth * p.a_step;
    p.b += kDepth * p.b_step;
    p.add = true;
  }
}

/// The product for `rows` rows and `columns`, a multiple of the vector's lanes. Depth is at least 1.
inline void multiply(const Product& p, std::int64_t rows, std::int64_t columns) {
  const Wide d;
  constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  Product part = p;
  const auto take = [&](std::int64_t vectors) {
    part.b += vectors * lanes;
    part.c += vectors * lanes;
    columns -= vectors * lanes;
  };
  if constexpr (kManyRegisters) {
    for (; columns >= 4 * lanes; take(4)) multiply_columns<6, 4>(d, part, rows);
    for (; columns >= 3 * lanes; take(3)) multiply_columns<8, 3>(d, part, rows);
    for (; columns >= 2 * lanes; take(2)) multiply_columns<12, 2>(d, part, rows);
    for (; columns >= lanes; take(1)) multiply_columns<12, 1>(d, part, rows);
  } else {
    for (; columns >= 2 * lanes; take(2)) multiply_columns<6, 2>(d, part, rows);
    for (; columns >= lanes; take(1)) multiply_columns<12, 1>(d, part, rows);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();
#endif
