// Reading numbers out of bytes that nobody vouches for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "boxcar/runtime/base/error.h"

namespace boxcar {

using Bytes = std::span<const std::uint8_t>;

/// The part [at, at + count); throws DataError where that is not all there.
inline Bytes slice(Bytes bytes, std::size_t at, std::size_t count) {
  if (at > bytes.size() || count > bytes.size() - at)
    fail<DataError>("cut short: {} bytes are needed at offset {} of {}", count, at, bytes.size());
  return bytes.subspan(at, count);
}

inline std::uint32_t big_endian(Bytes bytes, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (const std::uint8_t b : slice(bytes, at, count)) value = value << 8 | b;
  return value;
}

inline std::uint32_t little_endian(Bytes bytes, std::size_t at, std::size_t count) {
  const Bytes part = slice(bytes, at, count);
  std::uint32_t value = 0;
  for (std::size_t i = count; i > 0; --i) value = value << 8 | part[i - 1];
  return value;
}

}  // namespace boxcar
