#include "boxcar/data/dataset/number.h"

#include <charconv>
#include <limits>
#include <string>
#include <system_error>

namespace boxcar {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// `text` without the underscores, each of which must stand between two digits.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    if (i == 0 || i + 1 == text.size() || !is_digit(text[i - 1]) || !is_digit(text[i + 1])) return {};
  }
  return out;
}

/// Which end of the range a number beyond it lies at: the sign of the exponent decides, or without
/// one whether there is anything but zeros before the point.
bool is_tiny(std::string_view text) {
  const std::size_t e = text.find_first_of("eE");
  if (e != std::string_view::npos) return e + 1 < text.size() && text[e + 1] == '-';
  return text.substr(0, text.find('.')).find_first_of("123456789") == std::string_view::npos;
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || text.front() == '-' || text.find('(') != std::string_view::npos) return {};
  std::optional<std::string> plain;
  if (text.find('_') != std::string_view::npos) {
    plain = without_underscores(text);
    if (!plain) return {};
    text = *plain;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || error == std::errc::invalid_argument) return {};
  if (error == std::errc::result_out_of_range) value = is_tiny(text) ? 0.0 : std::numeric_limits<double>::infinity();
  return negative ? -value : value;
}

}  // namespace boxcar
