#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/conv/enlarged_map.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include "boxcar/kernels/common/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {

// A row of the small map to neighbouring pixels.
void repeat_row(const float* row, std::int64_t channels, std::int64_t pixels, float* to, std::int64_t ld) {
  for (std::int64_t p = 0; p < pixels; ++p, to += ld) copy_row(row, channels, to);
}

void add_rows(const float* from, std::int64_t channels, std::int64_t pixels, float* row) {
  for (std::int64_t p = 0; p < pixels; ++p, from += channels) add_row(from, channels, row);
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "boxcar/kernels/conv/enlarged_map.h"

namespace boxcar::kernels {
namespace {

HWY_EXPORT(repeat_row);
HWY_EXPORT(add_rows);

// Calls f(pixel of the small map, first pixel, how many) for neighbouring pixels of [begin, end) that show the same.
// Heights are multiples too, so images need not be told apart.
template <class F>
void for_runs(int width, int factor, std::int64_t begin, std::int64_t end, F&& f) {
  for (std::int64_t p = begin; p < end;) {
    const std::int64_t row = p / width, column = p % width;
    const std::int64_t count = std::min(factor - column % factor, end - p);
    f(row / factor * (width / factor) + column / factor, p, count);
    p += count;
  }
}

}  // namespace

void cpu::EnlargedMap::read(std::int64_t begin, std::int64_t end, float* to, std::int64_t ld) const {
  const auto rows = rows_of<const float>(small_);
  for_runs(width_, factor_, begin, end, [&](std::int64_t pixel, std::int64_t first, std::int64_t count) {
    HWY_DYNAMIC_DISPATCH(repeat_row)(rows.row(pixel), small_.c, count, to + (first - begin) * ld, ld);
  });
}

void cpu::EnlargedMap::add(std::int64_t begin, std::int64_t end, const float* from) const {
  const auto rows = rows_of<float>(small_);
  for_runs(width_, factor_, begin, end, [&](std::int64_t pixel, std::int64_t first, std::int64_t count) {
    HWY_DYNAMIC_DISPATCH(add_rows)(from + (first - begin) * small_.c, small_.c, count, rows.row(pixel));
  });
}

void cpu::EnlargedMap::clear(std::int64_t begin, std::int64_t end) const {
  const auto rows = rows_of<float>(small_);
  const std::int64_t square = std::int64_t{factor_} * factor_;
  for (std::int64_t p = begin / square; p < end / square; ++p) std::fill_n(rows.row(p), small_.c, 0.0f);
}

}  // namespace boxcar::kernels
#endif
