// The transforms of Winograd's minimal filtering of 3x3 filters: results of 4x4 pixels by fewer products than the
// direct sum's 144. Include it as simd-inl.h.
//
// Lavin, Gray: "Fast Algorithms for Convolutional Neural Networks" (2015); each side is transformed by itself. With
// stride 1 a side of four results takes 6 products: F(4, 3) at the points 0, +-a, +-b and infinity, 36 in all. With
// stride 2 it takes 9: every second input meets the filter's outer taps, F(4, 2) at +-a, +-b and infinity, the others
// meet the middle one, directly; 81 in all. a^2 = 1/2 and b^2 = 2 instead of the usual 1 and 4 keep numbers near one
// (Alam, Anderson, Barabasz, Gregg: "Winograd Convolution for Deep Neural Networks: Efficient Point Selection", 2022).
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
constexpr float kA2 = 0.5f, kB2 = 2.0f, kBoth = kA2 + kB2;
constexpr float kDistance = 1.5f;  // of the squares

/// even + odd * point and even - odd * point.
template <class D>
HWY_INLINE void store_pair(D d, float point, hn::Vec<D> even, hn::Vec<D> odd, hn::Vec<D>* to) {
  to[0] = hn::MulAdd(hn::Set(d, point), odd, even);
  to[1] = hn::NegMulAdd(hn::Set(d, point), odd, even);
}

/// Sums and differences of what belongs to the points a, -a, b, -b.
template <class D>
struct Pairs {
  hn::Vec<D> sum_a, difference_a, sum_b, difference_b;
  HWY_INLINE explicit Pairs(const hn::Vec<D>* at)
      : sum_a(hn::Add(at[0], at[1])),
        difference_a(hn::Sub(at[0], at[1])),
        sum_b(hn::Add(at[2], at[3])),
        difference_b(hn::Sub(at[2], at[3])) {}
  /// sum or difference of a times u, and of b times v.
  HWY_INLINE hn::Vec<D> sums(D d, float u, float v) const { return plus(d, u, v, sum_a, sum_b); }
  HWY_INLINE hn::Vec<D> differences(D d, float u, float v) const { return plus(d, u, v, difference_a, difference_b); }

 private:
  static HWY_INLINE hn::Vec<D> plus(D d, float u, float v, hn::Vec<D> a, hn::Vec<D> b) {
    return hn::MulAdd(hn::Set(d, u), a, hn::Mul(hn::Set(d, v), b));
  }
};

/// x - s * y.
template <class D>
HWY_INLINE hn::Vec<D> minus(D d, hn::Vec<D> x, float s, hn::Vec<D> y) {
  return hn::NegMulAdd(hn::Set(d, s), y, x);
}

// The matrices of one side, named as in the paper: B^T for what is convolved, G for filters, A^T for results, and their
// adjoints for gradients. Points lie in the order 0, a, -a, b, -b, infinity.

/// Pixel i of a transform is pixel position(i) of the square: all of them here.
struct EachPixel {
  static constexpr int position(int i) { return i; }
};
struct EvenPixels {
  static constexpr int position(int i) { return 2 * i; }
};
struct OddPixels {
  static constexpr int position(int i) { return 2 * i + 1; }
};

/// As it is.
template <class Pixels>
struct Same : Pixels {
  static constexpr int kFrom = 4, kTo = 4;
  template <class D>
  static HWY_INLINE void apply(D, const hn::Vec<D>* x, hn::Vec<D>* to) {
    for (int i = 0; i < kTo; ++i) to[i] = x[i];
  }
};

/// Stride 1.
struct UnitStride {
  static constexpr int kPoints = 6;
  /// Which of the six filter points meets a point.
  static constexpr int filter_point(int point) { return point; }

  struct Input : EachPixel {  // B^T
    static constexpr int kFrom = 6, kTo = 6;
    template <class D>
    static HWY_INLINE void apply(D d, const hn::Vec<D>* x, hn::Vec<D>* to) {
      to[0] = hn::Add(minus(d, x[4], kBoth, x[2]), x[0]);
      store_pair(d, kA, minus(d, x[4], kB2, x[2]), minus(d, x[3], kB2, x[1]), to + 1);
      store_pair(d, kB, minus(d, x[4], kA2, x[2]), minus(d, x[3], kA2, x[1]), to + 3);
      to[5] = hn::Add(minus(d, x[5], kBoth, x[3]), x[1]);
    }
  };
  struct Filter : EachPixel {  // G
    static constexpr int kFrom = 3, kTo = 6;
    template <class D>
    static HWY_INLINE void apply(D d, const hn::Vec<D>* g, hn::Vec<D>* to) {
      const auto scale_a = hn::Set(d, -1.0f / kDistance), scale_b = hn::Set(d, 1.0f / (4 * kDistance));
      to[0] = g[0];
      store_pair(d, kA, hn::Mul(hn::MulAdd(hn::Set(d, kA2), g[2], g[0]), scale_a), hn::Mul(g[1], scale_a), to + 1);
      store_pair(d, kB, hn::Mul(hn::MulAdd(hn::Set(d, kB2), g[2], g[0]), scale_b), hn::Mul(g[1], scale_b), to + 3);
      to[5] = g[2];
    }
  };
  struct Output : EachPixel {  // A^T
    static constexpr int kFrom = 6, kTo = 4;
    template <class D>
    static HWY_INLINE void apply(D d, const hn::Vec<D>* m, hn::Vec<D>* to) {
      const Pairs<D> pairs(m + 1);
      to[0] = hn::Add(m[0], hn::Add(pairs.sum_a, pairs.sum_b));
      to[1] = pairs.differences(d, kA, kB);
      to[2] = pairs.sums(d, kA2, kB2);
      to[3] = hn::Add(pairs.differences(d, kA * kA2, kB * kB2), m[5]);
    }
  };
  struct OutputGrad : EachPixel {  // A
    static constexpr int kFrom = 4, kTo = 6;
    template <class D>
    static HWY_INLINE void apply(D d, const hn::Vec<D>* y, hn::Vec<D>* to) {
      const auto a2 = hn::Set(d, kA2), b2 = hn::Set(d, kB2);
      to[0] = y[0];
      store_pair(d, kA, hn::MulAdd(a2, y[2], y[0]), hn::MulAdd(a2, y[3], y[1]), to + 1);
      store_pair(d, kB, hn::MulAdd(b2, y[2], y[0]), hn::MulAdd(b2, y[3], y[1]), to + 3);
      to[5] = y[3];
    }
  };
  struct FilterGrad : EachPixel {  // G^T
    static constexpr int kFrom = 6, kTo = 3;
    template <class D>
    static HWY_INLINE void apply(D d, const hn::Vec<D>* s, hn::Vec<D>* to) {
      constexpr float kScaleA = -1.0f / kDistance, kScaleB = 1.0f / (4 * kDistance);
      const Pairs<D> pairs(s + 1);
      to[0] = hn::Add(pairs.sums(d, kScaleA, kScaleB), s[0]);
      to[1] = pairs.differences(d, kA * kScaleA, kB * kScaleB);
      to[2] = hn::Add(pairs.sums(d, kA2 * kScaleA, kB2 * kScaleB), s[5]);
    }
  };
};

/// Stride 2. Points are a, -a, b, -b, infinity and those of the middle tap, which share its filter point.
struct StrideTwo {
  // 1 / product of (point - other finite point); of -a and -b it is the negative.
  static constexpr float kScaleA = -1.0f / (2 * kDistance * kA), kScaleB = 1.0f / (2 * kDistance * kB);

  /// B^T of F(4, 2).
  template <class D>
  static HWY_INLINE void outer_points(D d, const hn::Vec<D>* x, hn::Vec<D>* to) {
    store_pair(d, kA, minus(d, x[3], kB2, x[1]), minus(d, x[2], kB2, x[0]), to);
    store_pair(d, kB, minus(d, x[3], kA2, x[1]), minus(d, x[2], kA2, x[0]), to + 2);
    to[4] = hn::Add(minus(d, x[4], kBoth, x[2]), x[0]);
  }
  /// A^T of F(4, 2).
  template <class D>
  static HWY_INLINE void outer_results(D d, const hn::Vec<D>* m, hn::Vec<D>* to) {
    const Pairs<D> pairs(m);
    to[0] = hn::Add(pairs.sum_a, pairs.sum_b);
    to[1] = pairs.differences(d, kA, kB);
    to[2] = pairs.sums(d, kA2, kB2);
    to[3] = hn::Add(pairs.differences(d, kA * kA2, kB * kB2), m[4]);
  }
  /// A of F(4, 2).
  template <class D>
  static HWY_INLINE void outer_result_grads(D d, const hn::Vec<D>* y, hn::Vec<D>* to) {
    const auto a2 = hn::Set(d, kA2), b2 = hn::Set(d, kB2);
    store_pair(d, kA, hn::MulAdd(a2, y[2], y[0]), hn::MulAdd(a2, y[3], y[1]), to);
    store_pair(d, kB, hn::MulAdd(b2, y[2], y[0]), hn::MulAdd(b2, y[3], y[1]), to + 2);
    to[4] = y[3];
  }

  struct Filter : EachPixel {
    static constexpr int kFrom = 3, kTo = 6;
    template <class D>
    static HWY_INLINE void apply(D d, const hn::Vec<D>* g, hn::Vec<D>* to) {
      // The negative scale of -a and -b turns (g0 - point * g2) round.
      store_pair(d, 1.0f, hn::Mul(hn::Set(d, kA * kScaleA), g[2]), hn::Mul(hn::Set(d, kScaleA), g[0]), to);
      store_pair(d, 1.0f, hn::Mul(hn::Set(d, kB * kScaleB), g[2]), hn::Mul(hn::Set(d, kScaleB), g[0]), to + 2);
      to[4] = g[2];
      to[5] = g[1];
    }
  };
  struct FilterGrad : EachPixel {
    static constexpr int kFrom = 6, kTo = 3;
    template <class D>
    static HWY_INLINE void apply(D d, const hn::Vec<D>* s, hn::Vec<D>* to) {
      const Pairs<D> pairs(s);
      to[0] = pairs.differences(d, kScaleA, kScaleB);
      to[1] = s[5];
      to[2] = hn::Add(pairs.sums(d, kA * kScaleA, kB * kScaleB), s[4]);
    }
  };
};

/// One side of a quarter of stride 2's points: those of the outer taps, or of the middle one. In the forward pass of
/// squares of nine pixels the outer taps meet the even ones and the middle tap the odd ones, for all four results.
/// Backward, from five of the results' gradients (filters are turned), they make the odd and the even ones of eight
/// pixels of what is convolved.
template <class From, class To>
struct OuterTaps {
  static constexpr int kPoints = 5;
  static constexpr int filter_point(int point) { return point; }

  struct Input : From {
    static constexpr int kFrom = 5, kTo = 5;
    template <class D>
    static HWY_INLINE void apply(D d, const hn::Vec<D>* x, hn::Vec<D>* to) {
      StrideTwo::outer_points(d, x, to);
    }
  };
  struct Output : To {
    static constexpr int kFrom = 5, kTo = 4;
    template <class D>
    static HWY_INLINE void apply(D d, const hn::Vec<D>* m, hn::Vec<D>* to) {
      StrideTwo::outer_results(d, m, to);
    }
  };
  struct OutputGrad : To {
    static constexpr int kFrom = 4, kTo = 5;
    template <class D>
    static HWY_INLINE void apply(D d, const hn::Vec<D>* y, hn::Vec<D>* to) {
      StrideTwo::outer_result_grads(d, y, to);
    }
  };
};
template <class From, class To>
struct MiddleTap {
  static constexpr int kPoints = 4;
  static constexpr int filter_point(int) { return 5; }
  using Input = Same<From>;
  using Output = Same<To>;
  using OutputGrad = Same<To>;
};

/// The forward pass's, which weight gradients share.
using ForwardOuter = OuterTaps<EvenPixels, EachPixel>;
using ForwardMiddle = MiddleTap<OddPixels, EachPixel>;

/// Calls f(point, filter point) for all points of two sides.
template <class Rows, class Columns = Rows, class F>
HWY_INLINE void for_points(F&& f) {
  for (int i = 0; i < Rows::kPoints; ++i) {
    for (int j = 0; j < Columns::kPoints; ++j) {
      f(i * Columns::kPoints + j, Rows::filter_point(i) * 6 + Columns::filter_point(j));
    }
  }
}

/// Columns of a square are transformed by Rows, then rows by Columns. load(i, j) gives row i, column j of what a
/// transform takes; store(i, j, value) takes the result's.
template <class Rows, class Columns = Rows, class D, class Load, class Store>
HWY_INLINE void transform(D d, Load&& load, Store&& store) {
  hn::Vec<D> half[Rows::kTo][Columns::kFrom];
  for (int j = 0; j < Columns::kFrom; ++j) {
    hn::Vec<D> column[Rows::kFrom], to[Rows::kTo];
    for (int i = 0; i < Rows::kFrom; ++i) column[i] = load(i, j);
    Rows::apply(d, column, to);
    for (int i = 0; i < Rows::kTo; ++i) half[i][j] = to[i];
  }
  for (int i = 0; i < Rows::kTo; ++i) {
    hn::Vec<D> to[Columns::kTo];
    Columns::apply(d, half[i], to);
    for (int j = 0; j < Columns::kTo; ++j) store(i, j, to[j]);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();
#endif
