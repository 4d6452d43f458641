// Reads command-line values: the literals of Python that make sense for an argument.
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "boxcar/trainers/args/setting.h"

namespace boxcar {
namespace {

constexpr int kDeepestNesting = 16;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && is_blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_blank(s.back())) s.remove_suffix(1);
  return s;
}

bool equal_ignoring_case(std::string_view a, std::string_view lower) {
  if (a.size() != lower.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] - 'A' + 'a') : a[i];
    if (c != lower[i]) return false;
  }
  return true;
}

// Takes out the underscores of 1_000. They may stand only between two digits.
std::optional<std::string> without_underscores(std::string_view s) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '_') {
      out += s[i];
      continue;
    }
    const auto digit = [&](std::size_t k) { return k < s.size() && std::isxdigit(static_cast<unsigned char>(s[k])); };
    if (i == 0 || !digit(i - 1) || !digit(i + 1)) return std::nullopt;
  }
  return out;
}

std::optional<Setting> read_integer(std::string_view digits, int base, bool negative) {
  if (digits.empty()) return std::nullopt;
  std::int64_t v = 0;
  std::string text(digits);
  if (negative) text.insert(text.begin(), '-');
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v, base);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Reads as a number that no integer argument accepts, which names the argument in its message.
    return base == 10 ? Setting(std::strtod(text.c_str(), nullptr)) : Setting(negative ? -HUGE_VAL : HUGE_VAL);
  }
  if (error != std::errc{}) return std::nullopt;
  return Setting(v);
}

std::optional<Setting> read_decimal(const std::string& s, bool negative) {
  if (s.find_first_not_of("0123456789") == s.npos) {
    // Python refuses 007 as a number, so it is text; 000 is zero.
    if (s.size() > 1 && s[0] == '0' && s.find_first_not_of('0') != s.npos) return std::nullopt;
    return read_integer(s, 10, negative);
  }
  const bool starts_well = std::isdigit(static_cast<unsigned char>(s[0])) || (s[0] == '.' && s.size() > 1);
  if (!starts_well || s.find_first_not_of("0123456789.eE+-") != s.npos) return std::nullopt;
  double v = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (end != s.data() + s.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range)
    v = std::strtod(s.c_str(), nullptr);
  else if (error != std::errc{})
    return std::nullopt;
  return Setting(negative ? -v : v);
}

std::optional<Setting> read_number(std::string_view s) {
  const bool negative = s.starts_with('-');
  if (negative || s.starts_with('+')) s.remove_prefix(1);
  const auto plain = without_underscores(s);
  if (!plain || plain->empty()) return std::nullopt;
  if (plain->size() > 2 && (*plain)[0] == '0') {
    const char kind = static_cast<char>((*plain)[1] | 0x20);
    const int base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
    if (base && (*plain)[2] != '-') return read_integer(std::string_view(*plain).substr(2), base, negative);
  }
  return read_decimal(*plain, negative);
}

/// Recursive-descent reader of one literal; a failure at any point means that the whole text is not a literal.
class LiteralReader {
 public:
  explicit LiteralReader(std::string_view text) : text_(text) {}

  std::optional<Setting> whole_text() {
    auto first = value(0);
    if (!first) return std::nullopt;
    skip_blanks();
    if (at_end()) return first;
    Setting::List list{*first};
    if (!rest_of_list(list, '\0', 0)) return std::nullopt;
    return Setting(list);
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  void skip_blanks() {
    while (!at_end() && is_blank(peek())) ++at_;
  }

  std::optional<Setting> value(int depth) {
    skip_blanks();
    if (at_end() || depth > kDeepestNesting) return std::nullopt;
    if (peek() == '[') return list(']', depth);
    if (peek() == '(') return list(')', depth);
    if (peek() == '\'' || peek() == '"') return quoted();
    return word();
  }

  // After at least one value: ", value" until `close` (or the end of the text where close is 0).
  bool rest_of_list(Setting::List& list, char close, int depth) {
    while (true) {
      skip_blanks();
      if (closes(close)) return true;
      if (peek() != ',') return false;
      ++at_;
      skip_blanks();
      if (closes(close)) return true;
      auto item = value(depth + 1);
      if (!item) return false;
      list.push_back(std::move(*item));
    }
  }
  bool closes(char close) {
    if (close == '\0') return at_end();
    if (peek() != close) return false;
    ++at_;
    return true;
  }

  std::optional<Setting> list(char close, int depth) {
    ++at_;
    skip_blanks();
    if (closes(close)) return Setting(Setting::List{});
    auto first = value(depth + 1);
    if (!first) return std::nullopt;
    const auto after_first = at_;
    Setting::List items{*first};
    if (!rest_of_list(items, close, depth)) return std::nullopt;
    // (3) is a number in brackets, (3,) a list of one.
    const bool has_comma = text_.substr(after_first, at_ - after_first).find(',') != text_.npos;
    if (close == ')' && !has_comma) return first;
    return Setting(items);
  }

  std::optional<Setting> quoted() {
    const char quote = text_[at_++];
    std::string out;
    while (!at_end() && peek() != quote) {
      if (peek() == '\n') return std::nullopt;
      if (peek() != '\\')
        out += text_[at_++];
      else if (!escape(out))
        return std::nullopt;
    }
    if (at_end()) return std::nullopt;
    ++at_;
    return Setting(out);
  }
  bool escape(std::string& out) {
    if (at_ + 1 >= text_.size()) return false;
    const char c = text_[at_ + 1];
    at_ += 2;
    switch (c) {
      case 'n':
        out += '\n';
        return true;
      case 't':
        out += '\t';
        return true;
      case 'r':
        out += '\r';
        return true;
      case '\\':
      case '\'':
      case '"':
        out += c;
        return true;
      default:
        out += '\\';
        out += c;
        return true;  // as Python keeps an escape it does not know
    }
  }

  std::optional<Setting> word() {
    const auto begin = at_;
    while (!at_end() && !is_blank(peek()) && std::string_view(",[]()").find(peek()) == std::string_view::npos) ++at_;
    const auto text = text_.substr(begin, at_ - begin);
    if (text == "None") return Setting();
    if (text == "True") return Setting(true);
    if (text == "False") return Setting(false);
    return read_number(text);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Setting parse_setting(std::string_view text) {
  text = trimmed(text);
  if (equal_ignoring_case(text, "none")) return {};
  if (equal_ignoring_case(text, "true")) return true;
  if (equal_ignoring_case(text, "false")) return false;
  if (auto literal = LiteralReader(text).whole_text()) return *literal;
  return std::string(text);
}

}  // namespace boxcar
