#include "boxcar/trainers/args/overrides.h"

#include <fmt/format.h>

#include <algorithm>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"
#include "boxcar/trainers/args/forms.h"
#include "boxcar/trainers/args/similar.h"
#include "boxcar/trainers/args/table.h"
#include "boxcar/trainers/args/words.h"

namespace boxcar {
namespace {

constexpr std::string_view kDropped[] = {"label_smoothing", "save_hybrid", "crop_fraction", "keras"};

bool switch_value(std::string_view key, const Setting& v) {
  if (!v.is_bool()) fail<ArgumentError>("argument '{}' must be True or False, not {}", key, shown(v));
  return v.as_bool();
}

std::string with_default(const std::string& word) {
  for (const auto& [key, value] : default_settings())
    if (key == word) return key + "=" + value.to_text();
  return word;
}

}  // namespace

std::string unknown_argument(std::string_view word) {
  std::vector<std::string> candidates = argument_names();
  for (const std::string_view other : known_words()) candidates.emplace_back(other);
  auto near = nearest_words(word, candidates);
  for (std::string& w : near) w = with_default(w);
  return fmt::format("unknown argument {}{}", quote(word), did_you_mean(near));
}

Overrides::Overrides(std::initializer_list<std::pair<std::string_view, Setting>> list) {
  for (const auto& [key, value] : list) set(key, value);
}

Overrides Overrides::parse(std::string_view words) {
  Overrides out;
  for (const std::string& word : join_words(split_words(words))) {
    if (const auto equals = word.find('='); equals != word.npos)
      out.set_text(word.substr(0, equals), word.substr(equals + 1));
    else
      out.set(switch_name(word), true);
  }
  return out;
}

Overrides& Overrides::set(std::string_view key, Setting v) {
  if (set_old_spelling(key, v)) return *this;
  if (!find_argument(key)) fail<ArgumentError>("{}", unknown_argument(key));
  if (key == "quantize") quantize_from_switch_ = 0;
  store(key, std::move(v));
  return *this;
}

Overrides& Overrides::set_text(std::string_view key, std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!key.empty() && blank(key.front())) key.remove_prefix(1);
  while (!key.empty() && blank(key.back())) key.remove_suffix(1);
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  if (text.empty()) fail<ArgumentError>("argument {} has no value: write key=value", quote(key));
  if (key != "name" && key != "project") return set(key, parse_setting(text));
  // Kept as typed, or name=001 and project=1e3 would change.
  const Setting value = parse_setting(text);
  return set(key, value.is_null() ? value : Setting(text));
}

Overrides& Overrides::merge(const Overrides& stronger) {
  for (const auto& [key, value] : stronger.items_) store(key, value);
  warnings_.insert(warnings_.end(), stronger.warnings_.begin(), stronger.warnings_.end());
  if (stronger.contains("quantize")) quantize_from_switch_ = stronger.quantize_from_switch_;
  return *this;
}

Overrides& Overrides::erase(std::string_view key) {
  std::erase_if(items_, [&](const Item& item) { return item.first == key; });
  if (key == "quantize") quantize_from_switch_ = 0;
  return *this;
}

const Setting* Overrides::find(std::string_view key) const {
  const auto it = std::ranges::find(items_, key, &Item::first);
  return it == items_.end() ? nullptr : &it->second;
}

void Overrides::store(std::string_view key, Setting v) {
  const auto it = std::ranges::find(items_, key, &Item::first);
  if (it == items_.end())
    items_.emplace_back(key, std::move(v));
  else
    it->second = std::move(v);
}

bool Overrides::set_old_spelling(std::string_view key, const Setting& v) {
  const auto translated = [&](std::string_view to, Setting value) {
    warnings_.push_back(fmt::format("'{}' is an old name; '{}={}' is used", key, to, value.to_text()));
    store(to, std::move(value));
    return true;
  };
  if (key == "boxes") return translated("show_boxes", v);
  if (key == "hide_labels") return translated("show_labels", !switch_value(key, v));
  if (key == "hide_conf") return translated("show_conf", !switch_value(key, v));
  if (key == "line_thickness") return translated("line_width", v);
  if (key == "end2end") return translated("nms", switch_value(key, v) ? Setting(false) : Setting());
  if (key == "half" || key == "int8") return set_quantize_switch(key, v, key == "int8" ? 8 : 16), true;
  if (std::ranges::find(kDropped, key) != std::end(kDropped)) {
    warnings_.push_back(fmt::format("'{}' no longer exists and is ignored", key));
    return true;
  }
  if (key != "augmentations") return false;
  if (!v.is_null()) fail<ArgumentError>("argument 'augmentations' is not supported yet; leave it out");
  return true;
}

void Overrides::set_quantize_switch(std::string_view key, const Setting& v, int bits) {
  if (!switch_value(key, v)) {
    warnings_.push_back(fmt::format("'{}=False' is an old spelling and is ignored", key));
    return;
  }
  warnings_.push_back(fmt::format("'{}' is an old name; 'quantize={}' is used unless quantize is given", key, bits));
  const bool is_explicit = contains("quantize") && quantize_from_switch_ == 0;
  if (is_explicit || quantize_from_switch_ == 8) return;
  store("quantize", bits);
  quantize_from_switch_ = bits;
}

}  // namespace boxcar
