#include "boxcar/trainers/args/setting.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

bool is_reserved_yaml_word(std::string lower) {
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const char* word : {"null", "~", "true", "false", "yes", "no", "on", "off", "y", "n", "none", "", "-", "="})
    if (lower == word) return true;
  return false;
}

bool is_control(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u < 0x20 || u == 0x7f;
}

// Conservative: quotes are put around more than YAML asks for, never around less.
bool needs_quotes(const std::string& text) {
  if (is_reserved_yaml_word(text) || text.front() == ' ' || text.back() == ' ') return true;
  if (!parse_setting(text).is_text()) return true;
  if (std::string_view("+.0123456789").find(text.front()) != std::string_view::npos && text.find('/') == text.npos) {
    // Dates, sexagesimal and other numbers of YAML 1.1 consist of these only.
    if (text.find_first_not_of("+-.:_0123456789eExXoOtTzZ ") == text.npos) return true;
  }
  if (std::string_view("-?:,[]{}#&*!|>'\"%@`").find(text.front()) != std::string_view::npos) return true;
  return text.find(": ") != text.npos || text.find(" #") != text.npos || text.back() == ':' ||
         text.find_first_of(",[]{}") != text.npos;
}

std::string double_quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (is_control(c))
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out + '"';
}

std::string yaml_text(const std::string& text) {
  for (const char c : text)
    if (is_control(c)) return double_quoted(text);
  if (!needs_quotes(text)) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

std::string yaml_number(double v) {
  if (std::isnan(v)) return ".nan";
  if (std::isinf(v)) return v > 0 ? ".inf" : "-.inf";
  std::string text = number_text(v);
  // YAML 1.1 readers take 1e-05 for text; they want a point before the exponent.
  if (const auto e = text.find('e'); e != text.npos && text.find('.') == text.npos) text.insert(e, ".0");
  return text;
}

template <class F>
std::string list_text(const Setting::List& list, F item) {
  std::string out = "[";
  for (const Setting& s : list) out += (out.size() > 1 ? ", " : "") + item(s);
  return out + "]";
}

}  // namespace

Setting::Setting() noexcept = default;
Setting::Setting(const Setting&) = default;
Setting::Setting(Setting&&) noexcept = default;
Setting& Setting::operator=(const Setting&) = default;
Setting& Setting::operator=(Setting&&) noexcept = default;
Setting::~Setting() = default;

Setting::Value Setting::from_unsigned(std::uint64_t v) {
  if (v > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    fail<ArgumentError>("the value {} is too large for an argument", v);
  return static_cast<std::int64_t>(v);
}

bool Setting::as_bool() const {
  if (const bool* v = std::get_if<bool>(&value_)) return *v;
  fail<ArgumentError>("{} is not True or False", to_text());
}
const std::string& Setting::as_text() const {
  if (const auto* v = std::get_if<std::string>(&value_)) return *v;
  fail<ArgumentError>("{} is not text", to_text());
}
const Setting::List& Setting::as_list() const {
  if (const auto* v = std::get_if<List>(&value_)) return *v;
  fail<ArgumentError>("{} is not a list", to_text());
}

std::optional<std::int64_t> Setting::whole() const {
  if (const auto* i = std::get_if<std::int64_t>(&value_)) return *i;
  const auto* d = std::get_if<double>(&value_);
  // 2^53: beyond it neighbouring integers are the same double.
  if (!d || !(std::abs(*d) <= 9007199254740992.0) || std::trunc(*d) != *d) return std::nullopt;
  return static_cast<std::int64_t>(*d);
}

std::optional<double> Setting::real() const {
  if (const auto* i = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*i);
  if (const auto* d = std::get_if<double>(&value_)) return *d;
  return std::nullopt;
}

std::string Setting::to_text() const {
  if (is_null()) return "None";
  if (is_bool()) return as_bool() ? "True" : "False";
  if (is_integer()) return fmt::format("{}", std::get<std::int64_t>(value_));
  if (is_number()) return number_text(std::get<double>(value_));
  if (is_text()) return as_text();
  return list_text(as_list(), [](const Setting& s) { return s.is_text() ? "'" + s.as_text() + "'" : s.to_text(); });
}

std::string Setting::to_yaml() const {
  if (is_null()) return "null";
  if (is_bool()) return as_bool() ? "true" : "false";
  if (is_number()) return yaml_number(std::get<double>(value_));
  if (is_text()) return yaml_text(as_text());
  if (is_list()) return list_text(as_list(), [](const Setting& s) { return s.to_yaml(); });
  return to_text();
}

std::string number_text(double v) {
  std::string text = fmt::format("{}", v);
  if (text.find_first_of(".en") == text.npos) text += ".0";
  return text;
}

}  // namespace boxcar
