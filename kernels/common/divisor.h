// Division by a number that the host knows, without a division.
#pragma once

#include <bit>
#include <cstdint>

#include "boxcar/kernels/common/host_device.h"

namespace boxcar::kernels {

/// quotient(n) = n / divisor for 0 <= n < 2^31, by multiplication with a rounded-up reciprocal of 33 bits
/// (Granlund, Montgomery: "Division by invariant integers using multiplication", 1994).
class Divisor {
 public:
  /// divisor >= 1.
  explicit Divisor(int divisor = 1)
      : divisor_(static_cast<std::uint32_t>(divisor)), shift_(std::bit_width(divisor_ - 1)) {
    const std::uint64_t power = std::uint64_t{1} << shift_;
    multiplier_ = static_cast<std::uint32_t>(((power - divisor_) << 32) / divisor_ + 1);
  }

  BOXCAR_HD int quotient(int n) const {
    const auto m = static_cast<std::uint32_t>(n);
    const auto high = static_cast<std::uint32_t>(std::uint64_t{m} * multiplier_ >> 32);
    return static_cast<int>((high + m) >> shift_);
  }
  /// The quotient; n becomes the remainder.
  BOXCAR_HD int split(int& n) const {
    const int q = quotient(n);
    n -= q * static_cast<int>(divisor_);
    return q;
  }

 private:
  std::uint32_t divisor_, multiplier_ = 0;
  int shift_;
};

}  // namespace boxcar::kernels
