// Random numbers that need no state: each draw is a function of a key.
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy
// as 1, 2, 3", SC 2011). A Random is keyed by what it is for, for example
// (seed, epoch, sample), so what it yields depends neither on threads nor on
// where a run was resumed.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace boxcar {

/// One block of four words for a counter and a key.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// A number for a name, to key a Random with (FNV-1a, 64 bits).
std::uint64_t hash_name(std::string_view name);

class Random {
 public:
  /// Equal arguments give equal sequences; different ones independent sequences.
  explicit Random(std::uint64_t seed, std::uint64_t a = 0, std::uint64_t b = 0);

  std::uint32_t next_u32();
  /// In [0, 1), 53 bits.
  double uniform();
  /// In [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// In 0..count-1; count >= 1.
  std::uint32_t below(std::uint32_t count);
  /// Mean 0, variance 1 (Box-Muller).
  double normal();

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_{};
  std::array<std::uint32_t, 4> block_{};
  int left_ = 0;
};

}  // namespace boxcar
