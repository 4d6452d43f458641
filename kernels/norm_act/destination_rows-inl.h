// Vectors of a row to each destination that holds their channels. Include it as simd-inl.h.
#if defined(BOXCAR_KERNELS_NORM_ACT_DESTINATION_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BOXCAR_KERNELS_NORM_ACT_DESTINATION_ROWS_INL_H_
#undef BOXCAR_KERNELS_NORM_ACT_DESTINATION_ROWS_INL_H_
#else
#define BOXCAR_KERNELS_NORM_ACT_DESTINATION_ROWS_INL_H_
#endif

#include "boxcar/kernels/common/simd-inl.h"
#include "boxcar/kernels/norm_act/norm_act.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {

/// Destinations of type T whose ranges begin and end at multiples of a vector's lanes.
template <class T>
class DestinationRows {
 public:
  explicit DestinationRows(const Destinations& all) {
    for (const Destination& d : all) {
      ranges_.push_back({rows_of<T>(d.to), d.of.first, d.of.first + d.of.count});
    }
  }

  /// Channels [c, c + lanes) of a row.
  template <class D>
  HWY_INLINE void store_vector(D d, std::int64_t row, std::int64_t c, hn::Vec<D> value) const {
    for (const Range& range : ranges_) {
      if (c < range.first || c >= range.last) continue;
      T* to = range.to.row(row) + (c - range.first);
      fetch_to_write(to + kRowsAhead * range.to.ld);
      store(value, d, to);
    }
  }

 private:
  struct Range {
    Rows<T> to{};
    std::int64_t first = 0, last = 0;
  };
  static constexpr std::int64_t kRowsAhead = 16;  // asked for before they are written
  SmallVector<Range, Destinations::capacity()> ranges_;
};

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();
#endif
