#include "boxcar/trainers/args/own_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"
#include "boxcar/trainers/args/forms.h"
#include "boxcar/trainers/args/similar.h"

namespace boxcar {
namespace {

enum class Kind { text, count, flag };

struct OwnKey {
  std::string_view command, key;
  Kind kind;
  bool required;
};

constexpr OwnKey kKeys[] = {
    {"info", "model", Kind::text, true},          {"info", "imgsz", Kind::count, false},
    {"info", "traffic", Kind::flag, false},       {"plan", "model", Kind::text, true},
    {"plan", "imgsz", Kind::count, false},        {"plan", "batch", Kind::count, false},
    {"plan", "optimizer", Kind::text, false},     {"plan", "amp", Kind::flag, false},
    {"data check", "data", Kind::text, true},     {"data convert", "source", Kind::text, true},
    {"data convert", "target", Kind::text, true}, {"data convert", "format", Kind::text, false},
    {"data shapes", "target", Kind::text, true},  {"data shapes", "images", Kind::count, false},
    {"data shapes", "imgsz", Kind::count, false}, {"data shapes", "seed", Kind::count, false},
};

const OwnKey& find_key(const std::string& command, const std::string& key) {
  std::vector<std::string> names;
  for (const OwnKey& k : kKeys) {
    if (k.command != command) continue;
    if (k.key == key) return k;
    names.emplace_back(k.key);
  }
  const auto near = nearest_words(key, names);
  if (!near.empty())
    fail<ArgumentError>("unknown argument {} of 'boxcar {}'{}", quote(key), command, did_you_mean(near));
  fail<ArgumentError>("unknown argument {} of 'boxcar {}'; it takes {}", quote(key), command, fmt::join(names, ", "));
}

void check_kind(const OwnKey& key, const Setting& value) {
  const auto refuse = [&](std::string_view wanted) {
    fail<ArgumentError>("argument '{}' of 'boxcar {}' must be {}, not {}", key.key, key.command, wanted, shown(value));
  };
  if (key.kind == Kind::text && !value.is_text()) refuse("text");
  if (key.kind == Kind::flag && !value.is_bool()) refuse("True or False");
  if (key.kind != Kind::count) return;
  const auto n = value.whole();
  if (!n || *n < 0 || *n > 2147483647) refuse("an integer of at least 0");
}

}  // namespace

std::map<std::string, Setting> read_own_values(const std::string& command, std::span<const std::string> words) {
  std::map<std::string, Setting> out;
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    const OwnKey& key = find_key(command, word.substr(0, equals));
    const std::string text = equals == word.npos ? "" : word.substr(equals + 1);
    if (text.empty() && (key.kind != Kind::flag || equals != word.npos))
      fail<ArgumentError>("argument '{}' of 'boxcar {}' has no value: write {}=value", key.key, command, key.key);
    const Setting value = text.empty() ? Setting(true) : key.kind == Kind::text ? Setting(text) : parse_setting(text);
    check_kind(key, value);
    out[std::string(key.key)] = value;
  }
  for (const OwnKey& key : kKeys)
    if (key.command == command && key.required && !out.contains(std::string(key.key)))
      fail<ArgumentError>("'boxcar {}' needs {}=", command, key.key);
  return out;
}

std::vector<std::string> data_words() { return {"check", "convert", "shapes"}; }

}  // namespace boxcar
