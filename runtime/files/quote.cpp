#include "boxcar/runtime/files/quote.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

namespace boxcar {
namespace {

bool is_continuation(unsigned char c) { return (c & 0xc0u) == 0x80u; }

// Bytes of the well-formed UTF-8 sequence at the front; 0 where there is none.
std::size_t utf8_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80u) return 1;
  const std::size_t length = lead >= 0xf0u ? 4 : lead >= 0xe0u ? 3 : 2;
  if (lead < 0xc2u || lead > 0xf4u || text.size() < length) return 0;
  const bool tail_ok = std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(length),
                                   [](char c) { return is_continuation(static_cast<unsigned char>(c)); });
  const auto second = static_cast<unsigned char>(text[1]);
  const bool is_overlong = (lead == 0xe0u && second < 0xa0u) || (lead == 0xf0u && second < 0x90u);
  const bool is_outside = (lead == 0xedu && second >= 0xa0u) || (lead == 0xf4u && second >= 0x90u);
  return tail_ok && !is_overlong && !is_outside ? length : 0;
}

// Neither a control character, of which terminals obey those of two bytes (U+0080..U+009F) too, nor part of quoting.
bool is_plain(std::string_view sequence) {
  const auto first = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() > 1) return first != 0xc2u || static_cast<unsigned char>(sequence[1]) >= 0xa0u;
  return first >= 0x20u && first != 0x7fu && first != '\'' && first != '\\';
}

}  // namespace

std::string quote(std::string_view text, std::size_t limit) {
  std::string out = "'";
  std::size_t at = 0;
  while (at < text.size() && at < limit) {
    const std::size_t length = utf8_length(text.substr(at));
    const bool is_escaped = length == 0 || !is_plain(text.substr(at, length));
    if (!is_escaped) {
      out.append(text, at, length);
    } else {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(text[at]));
    }
    at += is_escaped ? 1 : length;
  }
  return out + (at < text.size() ? "...'" : "'");
}

std::string quote_path(const std::filesystem::path& path) {
  const std::string text = path.string();
  return quote(text, text.size());
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace boxcar
