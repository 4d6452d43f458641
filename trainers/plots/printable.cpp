#include "boxcar/trainers/plots/printable.h"

#include <cstdint>

namespace boxcar {
namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";
constexpr const char* kEllipsis = "\xE2\x80\xA6";

/// Bytes of the sequence that starts the text, 0 if it is broken: overlong, a surrogate, out of range, cut off.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool beyond = (first == 0xED && byte(1) > 0x9F) || (first == 0xF4 && byte(1) > 0x8F);
  return overlong || beyond ? 0 : length;
}

bool is_control(std::string_view c) {
  const auto first = static_cast<std::uint8_t>(c[0]);
  return first < 0x20 || first == 0x7F || (first == 0xC2 && static_cast<std::uint8_t>(c[1]) < 0xA0);
}

}  // namespace

std::string printable(std::string_view text, std::size_t max_characters) {
  std::string out, without_last;
  std::size_t characters = 0;
  while (!text.empty()) {
    if (++characters > max_characters) return without_last + kEllipsis;
    if (characters == max_characters) without_last = out;
    const std::size_t length = sequence_length(text);
    const std::string_view c = text.substr(0, length);
    if (length == 0) {
      out += kReplacement;
    } else if (is_control(c)) {
      out += ' ';
    } else {
      out += c;
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

}  // namespace boxcar
