// The gradient of a result whose parts lie in several tensors. Include it as simd-inl.h.
#if defined(BOXCAR_KERNELS_NORM_ACT_GRADIENT_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BOXCAR_KERNELS_NORM_ACT_GRADIENT_ROWS_INL_H_
#undef BOXCAR_KERNELS_NORM_ACT_GRADIENT_ROWS_INL_H_
#else
#define BOXCAR_KERNELS_NORM_ACT_GRADIENT_ROWS_INL_H_
#endif

#include <algorithm>
#include <memory_resource>
#include <vector>

#include "boxcar/kernels/common/simd-inl.h"
#include "boxcar/kernels/norm_act/norm_act.h"
#include "boxcar/kernels/norm_act/norm_pattern.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {

inline bool covers(const GradPiece& piece, std::int64_t channels) { return piece.of.count == channels; }

/// The sum of the pieces in their order, packed, for `rows` rows.
template <class T>
void sum_rows(const GradPieces& pieces, std::int64_t first, std::int64_t rows, std::int64_t channels, float* dy) {
  const bool copies = !pieces.empty() && covers(pieces[0], channels);
  if (!copies) std::fill(dy, dy + rows * channels, 0.0f);
  for (int p = 0; p < pieces.size(); ++p) {
    const GradPiece& piece = pieces[p];
    const T* from = rows_of<const T>(piece.from).row(first);
    float* to = dy + piece.of.first;
    const std::int64_t ld = piece.from.ld, count = piece.of.count;
    if (p == 0 && copies) {
      for (std::int64_t r = 0; r < rows; ++r) copy_row(from + r * ld, count, to + r * channels);
    } else {
      for (std::int64_t r = 0; r < rows; ++r) add_row(from + r * ld, count, to + r * channels);
    }
  }
}

/// Where dy is read: the one packed piece itself, or a buffer.
template <class T>
class Gradient {
 public:
  Gradient(Stream& stream, const GradPieces& pieces, const cpu::simd::Period& period)
      : pieces_(pieces),
        channels_(period.channels),
        buffer_(in_place() ? 0 : static_cast<std::size_t>(period.chunk()), stream.scratch()) {}

  // Calls f with `count` rows from `first` on, of T or of the floats of their sum.
  template <class F>
  void with_rows(std::int64_t first, std::int64_t count, F&& f) {
    if (in_place()) return f(rows_of<const T>(pieces_[0].from).row(first));
    sum_rows<T>(pieces_, first, count, channels_, buffer_.data());
    f(static_cast<const float*>(buffer_.data()));
  }

  bool in_place() const { return pieces_.size() == 1 && covers(pieces_[0], channels_) && pieces_[0].from.packed(); }

 private:
  const GradPieces& pieces_;
  std::int64_t channels_;
  std::pmr::vector<float> buffer_;
};

/// Pieces whose ranges begin and end at vectors: their sum is made where it is used.
template <class T>
class PieceRows {
 public:
  explicit PieceRows(const GradPieces& pieces) {
    for (const GradPiece& p : pieces) {
      pieces_.push_back({rows_of<const T>(p.from), p.of.first, p.of.first + p.of.count});
    }
  }

  static bool suits(const GradPieces& pieces) {
    return std::all_of(pieces.begin(), pieces.end(),
                       [](const GradPiece& p) { return p.of.first % 16 == 0 && p.of.count % 16 == 0; });
  }

  /// Channels [c, c + lanes) of a row.
  template <class D>
  HWY_INLINE hn::Vec<D> load_vector(D d, std::int64_t row, std::int64_t c) const {
    auto sum = hn::Zero(d);
    for (const Piece& p : pieces_) {
      if (c < p.first || c >= p.last) continue;
      const T* from = p.from.row(row) + (c - p.first);
      fetch_to_read(from + kRowsAhead * p.from.ld);
      sum = hn::Add(sum, load(d, from));
    }
    return sum;
  }

 private:
  struct Piece {
    Rows<const T> from{};
    std::int64_t first = 0, last = 0;
  };
  static constexpr std::int64_t kRowsAhead = 16;  // asked for before they are needed
  SmallVector<Piece, GradPieces::capacity()> pieces_;
};

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();
#endif
