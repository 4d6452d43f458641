// A value of a run argument before it has a fixed type.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace boxcar {

/// Null, bool, integer, number, text or list. Never converts between kinds by itself: {"save", 1} and {"epochs", "3"}
/// are refused where the argument is checked, as on the command line.
class Setting {
 public:
  using List = std::vector<Setting>;

  // Out of line, like all that copies or destroys: inlined, GCC 12 takes the variant's empty parts for uninitialized.
  Setting() noexcept;
  Setting(const Setting&);
  Setting(Setting&&) noexcept;
  Setting& operator=(const Setting&);
  Setting& operator=(Setting&&) noexcept;
  ~Setting();
  /// From nullptr, bool, any integer or floating type, or anything that converts to std::string (text).
  /// Throws ArgumentError for an unsigned value above the range of int64.
  template <class T>
  requires std::is_arithmetic_v<T> || std::is_null_pointer_v<T> || std::is_convertible_v<T, std::string> ||
      std::is_same_v<T, std::string_view>
      Setting(T v) : value_(make(std::move(v))) {}
  Setting(List list) : value_(std::move(list)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(value_); }
  /// A floating-point value; integers are not.
  bool is_number() const { return std::holds_alternative<double>(value_); }
  bool is_text() const { return std::holds_alternative<std::string>(value_); }
  bool is_list() const { return std::holds_alternative<List>(value_); }

  /// The value of exactly that kind; throws ArgumentError for any other.
  bool as_bool() const;
  const std::string& as_text() const;
  const List& as_list() const;
  /// An integer, or a number that is whole and fits (1e2); nothing for every other value.
  std::optional<std::int64_t> whole() const;
  /// An integer or number as double; nothing for every other value (bool included).
  std::optional<double> real() const;

  /// As a user would type it and as the reference prints it: None, True, 3, 1.0, text, [1, 2].
  std::string to_text() const;
  /// As a YAML flow value on one line: null, true, 3, 1.0, text (quoted where it must be), [1, 2].
  std::string to_yaml() const;

  bool operator==(const Setting&) const = default;

 private:
  using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string, List>;

  template <class T>
  static Value make(T v) {
    if constexpr (std::is_null_pointer_v<T>)
      return {};
    else if constexpr (std::is_same_v<T, bool>)
      return v;
    else if constexpr (std::is_integral_v<T> && std::is_unsigned_v<T>)
      return from_unsigned(v);
    else if constexpr (std::is_integral_v<T>)
      return static_cast<std::int64_t>(v);
    else if constexpr (std::is_floating_point_v<T>)
      return static_cast<double>(v);
    else
      return std::string(std::move(v));
  }
  static Value from_unsigned(std::uint64_t v);

  Value value_;
};

/// A command-line value, text after the first '=' of key=value, in the rules of the reference:
/// none / true / false in any case; a Python literal (3, 0x10, 1_000, .5, 1e-3, 'x', [1,2], (1,2), 640,480);
/// anything else is that text. Leading and trailing blanks are dropped. Whole numbers beyond int64 become doubles.
Setting parse_setting(std::string_view text);

/// Shortest text that reads back as the same double and looks like a floating-point number: 1.0, 0.0005, 1e-05.
std::string number_text(double v);

}  // namespace boxcar
