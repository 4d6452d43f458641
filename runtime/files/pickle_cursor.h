// The bytes of a pickle, read front to back and never beyond their end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "boxcar/runtime/base/error.h"

namespace boxcar {

class PickleCursor {
 public:
  explicit PickleCursor(std::string_view bytes) : bytes_(bytes) {}

  std::size_t position() const { return at_; }
  bool at_end() const { return at_ == bytes_.size(); }

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_) {
      fail<IoError>("the pickle claims {} bytes at byte {} but ends at {}", count, at_, bytes_.size());
    }
    const auto taken = bytes_.substr(at_, static_cast<std::size_t>(count));
    at_ += taken.size();
    return taken;
  }

  /// A little-endian number.
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  double big_endian_double() { return std::bit_cast<double>(__builtin_bswap64(number<std::uint64_t>())); }

  /// Up to a newline, which is passed over.
  std::string_view line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail<IoError>("the pickle ends within a line that begins at byte {}", at_);
    const auto taken = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return taken;
  }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};
static_assert(std::endian::native == std::endian::little);

}  // namespace boxcar
