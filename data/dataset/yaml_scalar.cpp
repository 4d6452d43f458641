#include "boxcar/data/dataset/yaml_scalar.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

namespace boxcar {
namespace {

/// Longer ones are text: no number needs more.
constexpr std::size_t kMostNumberLength = 64;

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

/// The word in lower case where it is written in one of the three ways that count: no, No, NO.
std::string lower_if_uniform(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  std::string upper = lower, title = lower;
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  if (!title.empty()) title[0] = upper[0];
  return text == lower || text == upper || text == title ? lower : std::string(text);
}

constexpr std::string_view kDigits = "0123456789", kDigitsAndBars = "0123456789_";

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// How many leading characters were of `set`; they are removed.
std::size_t take_run(std::string_view& text, std::string_view set) {
  const std::size_t count = std::min(text.find_first_not_of(set), text.size());
  text.remove_prefix(count);
  return count;
}

void take_sign(std::string_view& text) {
  if (!take(text, "-")) take(text, "+");
}

/// Groups ":0" to ":59" of a number of base 60.
std::size_t take_sixties(std::string_view& text) {
  std::size_t groups = 0;
  for (; text.size() >= 2 && text[0] == ':' && kDigits.find(text[1]) != std::string_view::npos; ++groups) {
    const bool two = text.size() >= 3 && text[1] <= '5' && kDigits.find(text[2]) != std::string_view::npos;
    text.remove_prefix(two ? 3 : 2);
  }
  return groups;
}

/// Nothing, or an exponent with its sign, and nothing after it.
bool ends_with_exponent(std::string_view text) {
  if (text.empty()) return true;
  if (!take(text, "e") && !take(text, "E")) return false;
  if (!take(text, "-") && !take(text, "+")) return false;
  return take_run(text, kDigits) > 0 && text.empty();
}

bool starts_with_digit(std::string_view text) {
  return !text.empty() && kDigits.find(text.front()) != std::string_view::npos;
}

bool is_integer(std::string_view text) {
  take_sign(text);
  if (take(text, "0b")) return take_run(text, "01_") > 0 && text.empty();
  if (take(text, "0x")) return take_run(text, "0123456789abcdefABCDEF_") > 0 && text.empty();
  if (take(text, "0")) return take_run(text, "01234567_"), text.empty();
  if (!starts_with_digit(text)) return false;
  take_run(text, kDigitsAndBars);
  take_sixties(text);
  return text.empty();
}

bool is_infinite_or_nan(std::string_view text) {
  if (is_one_of(text, {".nan", ".NaN", ".NAN"})) return true;
  take_sign(text);
  return is_one_of(text, {".inf", ".Inf", ".INF"});
}

bool is_float(std::string_view text) {
  if (is_infinite_or_nan(text)) return true;
  take_sign(text);
  if (take(text, ".")) return starts_with_digit(text) && (take_run(text, kDigitsAndBars), ends_with_exponent(text));
  if (!starts_with_digit(text)) return false;
  take_run(text, kDigitsAndBars);
  const bool sixties = take_sixties(text) > 0;
  if (!take(text, ".")) return false;
  take_run(text, kDigitsAndBars);
  return sixties ? text.empty() : ends_with_exponent(text);
}

std::string without_underscores(std::string_view text) {
  std::string out(text);
  std::erase(out, '_');
  return out;
}

/// Digits in groups of base 60: 1:30 is 90.
template <class Number>
Number base_60(std::string_view digits) {
  Number value = 0;
  while (!digits.empty()) {
    const std::size_t end = std::min(digits.find(':'), digits.size());
    Number group = 0;
    std::from_chars(digits.data(), digits.data() + end, group);
    value = value * 60 + group;
    digits.remove_prefix(std::min(end + 1, digits.size()));
  }
  return value;
}

std::optional<std::uint64_t> magnitude(std::string_view digits) {
  if (digits.find(':') != std::string_view::npos) return base_60<std::uint64_t>(digits);
  int base = 10;
  if (digits.starts_with("0x"))
    base = 16;
  else if (digits.starts_with("0b"))
    base = 2;
  else if (digits.size() > 1 && digits.front() == '0')
    base = 8;
  if (base == 16 || base == 2) digits.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc{} || end != digits.data() + digits.size()) return {};
  return value;
}

std::string integer_text(std::string_view text) {
  std::string digits = without_underscores(text);
  const bool negative = digits.front() == '-';
  if (negative || digits.front() == '+') digits.erase(0, 1);
  const auto value = magnitude(digits);
  if (!value) return fmt::format("{}{}", negative ? "-" : "", digits);  // more than 64 bits: as it stands
  return fmt::format("{}{}", negative && *value != 0 ? "-" : "", *value);
}

std::string float_text(std::string_view text) {
  std::string digits = without_underscores(text);
  const bool negative = digits.front() == '-';
  if (negative || digits.front() == '+') digits.erase(0, 1);
  const std::string_view sign = negative ? "-" : "";
  if (is_infinite_or_nan(digits)) return digits[1] == 'i' || digits[1] == 'I' ? fmt::format("{}inf", sign) : "nan";
  double value = 0;
  if (digits.find(':') != std::string::npos)
    value = base_60<double>(digits);
  else
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
  std::string out = fmt::format("{}", value);
  if (out.find_first_of(".en") == std::string::npos) out += ".0";
  return fmt::format("{}{}", sign, out);
}

}  // namespace

YamlKind scalar_kind(std::string_view text) {
  const std::string word = lower_if_uniform(text);
  if (text.empty() || text == "~" || word == "null") return YamlKind::kNull;
  if (is_one_of(word, {"yes", "no", "true", "false", "on", "off"})) return YamlKind::kBool;
  if (text.size() > kMostNumberLength) return YamlKind::kText;
  if (is_integer(text)) return YamlKind::kInteger;
  if (is_float(text)) return YamlKind::kFloat;
  return YamlKind::kText;
}

std::string scalar_text(std::string_view text) {
  switch (scalar_kind(text)) {
    case YamlKind::kNull:
      return "None";
    case YamlKind::kBool:
      return is_one_of(lower_if_uniform(text), {"yes", "true", "on"}) ? "True" : "False";
    case YamlKind::kInteger:
      return integer_text(text);
    case YamlKind::kFloat:
      return float_text(text);
    default:
      return std::string(text);
  }
}

}  // namespace boxcar
