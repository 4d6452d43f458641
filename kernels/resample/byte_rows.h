// Rows of 8-bit images resized with integer weights of 11 bits, as OpenCV does it: first along rows, then between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace boxcar::kernels {

/// How many numbers beyond a row the functions below may read or write.
inline constexpr int kSpareColumns = 16;

/// For each output column the byte of its left neighbour in a row of pixels, and the weights of that and of the
/// pixel after it, which must be there, too. 2048 is a weight of 1.
struct ColumnTaps {
  std::vector<std::int32_t> offset, left, right;  // kSpareColumns more than count
  int count = 0;

  void add(std::int32_t byte, std::int32_t left_weight, std::int32_t right_weight) {
    for (auto* v : {&offset, &left, &right}) v->resize(static_cast<std::size_t>(count) + 1 + kSpareColumns);
    offset[count] = byte;
    left[count] = left_weight;
    right[count++] = right_weight;
  }
};

/// out = left * pixel + right * (pixel after it) for each channel of each column.
void resample_columns(const std::uint8_t* row, int channels, const ColumnTaps& taps, std::int32_t* out);

/// Rows of `count` numbers of resample_columns() to bytes:
/// ((a * (upper >> 4) >> 16) + (b * (lower >> 4) >> 16) + 2) >> 2.
void blend_byte_rows(const std::int32_t* upper, const std::int32_t* lower, std::int32_t a, std::int32_t b,
                     std::int64_t count, std::uint8_t* out);

}  // namespace boxcar::kernels
