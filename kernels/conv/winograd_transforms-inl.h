// The transforms of Winograd's minimal filtering F(4x4, 3x3): 16 results of a 3x3 filter from 6x6 inputs by 36 products
// instead of 144. Include it as simd-inl.h.
//
// Lavin, Gray: "Fast Algorithms for Convolutional Neural Networks" (2015). The six points are 0, +-a, +-b and infinity
// with a^2 = 1/2 and b^2 = 2 instead of the usual +-1 and +-2: a * b = 1 keeps numbers near one, and errors of f32 are
// two to three times smaller (Alam, Anderson, Barabasz, Gregg: "Winograd Convolution for Deep Neural Networks:
// Efficient Point Selection", 2022).
#if defined(BOXCAR_KERNELS_CONV_WINOGRAD_TRANSFORMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BOXCAR_KERNELS_CONV_WINOGRAD_TRANSFORMS_INL_H_
#undef BOXCAR_KERNELS_CONV_WINOGRAD_TRANSFORMS_INL_H_
#else
#define BOXCAR_KERNELS_CONV_WINOGRAD_TRANSFORMS_INL_H_
#endif

#include "boxcar/kernels/common/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {

constexpr float kA = 0.70710678118654752f, kB = 1.41421356237309505f;  // the points
constexpr float kA2 = 0.5f, kB2 = 2.0f;
// 1 / product of (point - other point), over the finite ones; 1 for the point 0.
constexpr float kScaleA = -1.0f / 1.5f, kScaleB = 1.0f / 6.0f;

/// Coefficients of a polynomial's product with all but one of (x - point): B^T of the paper, 6 -> 6.
struct InputPoints {
  static constexpr int kFrom = 6, kTo = 6;
  template <class D>
  static HWY_INLINE void apply(D d, const hn::Vec<D>* x, hn::Vec<D>* to) {
    const auto a = hn::Set(d, kA), b = hn::Set(d, kB), a2 = hn::Set(d, kA2), b2 = hn::Set(d, kB2);
    const auto both = hn::Set(d, kA2 + kB2);
    const auto even_a = hn::NegMulAdd(b2, x[2], x[4]), odd_a = hn::NegMulAdd(b2, x[1], x[3]);
    const auto even_b = hn::NegMulAdd(a2, x[2], x[4]), odd_b = hn::NegMulAdd(a2, x[1], x[3]);
    to[0] = hn::Add(hn::NegMulAdd(both, x[2], x[4]), x[0]);
    to[1] = hn::MulAdd(a, odd_a, even_a);
    to[2] = hn::NegMulAdd(a, odd_a, even_a);
    to[3] = hn::MulAdd(b, odd_b, even_b);
    to[4] = hn::NegMulAdd(b, odd_b, even_b);
    to[5] = hn::Add(hn::NegMulAdd(both, x[3], x[5]), x[1]);
  }
};

/// A filter's values at the points, scaled: G of the paper, 3 -> 6.
struct FilterPoints {
  static constexpr int kFrom = 3, kTo = 6;
  template <class D>
  static HWY_INLINE void apply(D d, const hn::Vec<D>* g, hn::Vec<D>* to) {
    const auto even_a = hn::Mul(hn::MulAdd(hn::Set(d, kA2), g[2], g[0]), hn::Set(d, kScaleA));
    const auto even_b = hn::Mul(hn::MulAdd(hn::Set(d, kB2), g[2], g[0]), hn::Set(d, kScaleB));
    const auto a = hn::Set(d, kA * kScaleA), b = hn::Set(d, kB * kScaleB);
    to[0] = g[0];
    to[1] = hn::MulAdd(a, g[1], even_a);
    to[2] = hn::NegMulAdd(a, g[1], even_a);
    to[3] = hn::MulAdd(b, g[1], even_b);
    to[4] = hn::NegMulAdd(b, g[1], even_b);
    to[5] = g[2];
  }
};

/// The four results from the products: A^T of the paper, 6 -> 4.
struct OutputFromPoints {
  static constexpr int kFrom = 6, kTo = 4;
  template <class D>
  static HWY_INLINE void apply(D d, const hn::Vec<D>* m, hn::Vec<D>* to) {
    const auto even_a = hn::Add(m[1], m[2]), odd_a = hn::Sub(m[1], m[2]);
    const auto even_b = hn::Add(m[3], m[4]), odd_b = hn::Sub(m[3], m[4]);
    to[0] = hn::Add(m[0], hn::Add(even_a, even_b));
    to[1] = hn::MulAdd(hn::Set(d, kA), odd_a, hn::Mul(hn::Set(d, kB), odd_b));
    to[2] = hn::MulAdd(hn::Set(d, kA2), even_a, hn::Mul(hn::Set(d, kB2), even_b));
    to[3] = hn::MulAdd(hn::Set(d, kA * kA2), odd_a, hn::MulAdd(hn::Set(d, kB * kB2), odd_b, m[5]));
  }
};

/// Gradients of four results at the points: A, the adjoint of OutputFromPoints, 4 -> 6.
struct OutputGradPoints {
  static constexpr int kFrom = 4, kTo = 6;
  template <class D>
  static HWY_INLINE void apply(D d, const hn::Vec<D>* y, hn::Vec<D>* to) {
    const auto a = hn::Set(d, kA), b = hn::Set(d, kB), a2 = hn::Set(d, kA2), b2 = hn::Set(d, kB2);
    const auto even_a = hn::MulAdd(a2, y[2], y[0]), odd_a = hn::MulAdd(a2, y[3], y[1]);
    const auto even_b = hn::MulAdd(b2, y[2], y[0]), odd_b = hn::MulAdd(b2, y[3], y[1]);
    to[0] = y[0];
    to[1] = hn::MulAdd(a, odd_a, even_a);
    to[2] = hn::NegMulAdd(a, odd_a, even_a);
    to[3] = hn::MulAdd(b, odd_b, even_b);
    to[4] = hn::NegMulAdd(b, odd_b, even_b);
    to[5] = y[3];
  }
};

/// A filter's gradients from those of its values at the points: G^T, the adjoint of FilterPoints, 6 -> 3.
struct FilterGradFromPoints {
  static constexpr int kFrom = 6, kTo = 3;
  template <class D>
  static HWY_INLINE void apply(D d, const hn::Vec<D>* s, hn::Vec<D>* to) {
    const auto even_a = hn::Mul(hn::Add(s[1], s[2]), hn::Set(d, kScaleA)), odd_a = hn::Sub(s[1], s[2]);
    const auto even_b = hn::Mul(hn::Add(s[3], s[4]), hn::Set(d, kScaleB)), odd_b = hn::Sub(s[3], s[4]);
    to[0] = hn::Add(s[0], hn::Add(even_a, even_b));
    to[1] = hn::MulAdd(hn::Set(d, kA * kScaleA), odd_a, hn::Mul(hn::Set(d, kB * kScaleB), odd_b));
    to[2] = hn::MulAdd(hn::Set(d, kA2), even_a, hn::MulAdd(hn::Set(d, kB2), even_b, s[5]));
  }
};

/// A transform of columns, then of rows. load(i, j) gives row i, column j; store(i, j, value) takes the result's.
template <class Points, class D, class Load, class Store>
HWY_INLINE void transform(D d, Load&& load, Store&& store) {
  hn::Vec<D> half[Points::kTo][Points::kFrom];
  for (int j = 0; j < Points::kFrom; ++j) {
    hn::Vec<D> column[Points::kFrom], to[Points::kTo];
    for (int i = 0; i < Points::kFrom; ++i) column[i] = load(i, j);
    Points::apply(d, column, to);
    for (int i = 0; i < Points::kTo; ++i) half[i][j] = to[i];
  }
  for (int i = 0; i < Points::kTo; ++i) {
    hn::Vec<D> to[Points::kTo];
    Points::apply(d, half[i], to);
    for (int j = 0; j < Points::kTo; ++j) store(i, j, to[j]);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();
#endif
