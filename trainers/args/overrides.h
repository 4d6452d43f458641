// Arguments that were set, which is what precedence needs; Args is the full set made from them.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "boxcar/trainers/args/setting.h"

namespace boxcar {

/// Known argument names with a value each, in the order they were set. Values are checked when Args are made of them.
class Overrides {
 public:
  using Item = std::pair<std::string, Setting>;

  /// Overrides({{"data", "bccd.yaml"}, {"epochs", 3}}). Throws as set().
  Overrides(std::initializer_list<std::pair<std::string_view, Setting>> set = {});

  /// Reads words as on the command line, without task and mode: "data=bccd.yaml epochs=3 rect". Words are separated by
  /// blanks; '...' and "..." keep blanks. Throws ArgumentError for what is neither key=value nor a switch.
  static Overrides parse(std::string_view words);

  /// Sets `key`, or replaces its value. An old spelling is translated, or dropped, with a warning (see warnings()).
  /// Throws ArgumentError for an unknown key: "unknown argument 'epoch', did you mean epochs=100?".
  Overrides& set(std::string_view key, Setting v);
  /// set() with text from the command line, read by parse_setting(); name and project stay text.
  Overrides& set_text(std::string_view key, std::string_view text);
  /// Sets everything that `stronger` holds and collects its warnings.
  Overrides& merge(const Overrides& stronger);
  /// Forgets `key`; nothing happens if it is not set.
  Overrides& erase(std::string_view key);

  /// The value set for `key`, or null. Valid until the next change.
  const Setting* find(std::string_view key) const;
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  const std::vector<Item>& items() const { return items_; }
  bool empty() const { return items_.empty(); }
  /// One sentence for each old spelling met.
  const std::vector<std::string>& warnings() const { return warnings_; }

  bool operator==(const Overrides& other) const { return items_ == other.items_; }

 private:
  void store(std::string_view key, Setting v);
  bool set_old_spelling(std::string_view key, const Setting& v);
  void set_quantize_switch(std::string_view key, const Setting& v, int bits);

  std::vector<Item> items_;
  std::vector<std::string> warnings_;
  // quantize was set by an old switch: 0 no, else the bits. An explicit quantize beats both, int8 beats half.
  int quantize_from_switch_ = 0;
};

/// "unknown argument 'x'" with up to three similar arguments and their defaults, modes or other words.
std::string unknown_argument(std::string_view word);

/// The words of one line of text as a shell would split them; throws ArgumentError for an unclosed quote.
std::vector<std::string> split_words(std::string_view line);

}  // namespace boxcar
