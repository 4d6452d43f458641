// Sizes that a file claims, multiplied with care: nothing in a file may wrap around.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace boxcar {

/// a * b and a + b of values >= 0; empty where the result does not fit 63 bits.
inline std::optional<std::int64_t> checked_product(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}
inline std::optional<std::int64_t> checked_sum(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
  return result;
}

/// Elements of a tensor with these sides, all >= 0 (no sides: 1). Empty where the product of the sides overflows at
/// any point, sides of 0 left out: [0, 2^40, 2^40] is refused too, or code that multiplies in order would overflow.
inline std::optional<std::int64_t> checked_count(std::span<const std::int64_t> shape) {
  std::optional<std::int64_t> product = 1;
  bool is_empty = false;
  for (const std::int64_t side : shape) {
    if (side == 0) {
      is_empty = true;
    } else if (!(product = checked_product(*product, side))) {
      return std::nullopt;
    }
  }
  return is_empty ? 0 : product;
}

/// Dimensions that a tensor in a file may have. PyTorch itself stops at 64.
inline constexpr std::size_t kLargestRank = 64;

}  // namespace boxcar
