#include "boxcar/trainers/args/forms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"
#include "boxcar/trainers/args/device_choice.h"

namespace boxcar {
namespace {

[[noreturn]] void refuse(std::string_view name, std::string_view wanted, const Setting& value) {
  fail<ArgumentError>("argument '{}' must be {}, not {}", name, wanted, shown(value));
}
[[noreturn]] void refuse_for_now(std::string_view name, const Setting& value, std::string_view remedy) {
  fail<ArgumentError>("argument '{}' does not support {} yet; {}", name, shown(value), remedy);
}

std::string lower_case(std::string s) {
  for (char& c : s) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return s;
}

/// The entry of `words` equal to the text in any case; empty if there is none or the value is no text.
std::string_view word_of(const Setting& value, std::span<const std::string_view> words) {
  if (!value.is_text()) return {};
  const std::string text = lower_case(value.as_text());
  for (const std::string_view word : words)
    if (lower_case(std::string(word)) == text) return word;
  return {};
}

bool is_one_of(const Setting& value, std::initializer_list<std::string_view> words) {
  return value.is_text() && std::ranges::find(words, value.as_text()) != words.end();
}

bool is_index(const Setting& value) {
  return value.is_integer() && *value.whole() >= 0 && *value.whole() <= std::numeric_limits<int>::max();
}

Setting tidy_part(std::string_view name, const Setting& part, const Setting& value, bool may_be_zero) {
  constexpr std::string_view kWanted =
      "a share above 0 and up to 1, a count above 1, or a list [train, val] or [train, val, test] of these";
  const auto v = part.real();
  if (!v || !std::isfinite(*v) || *v < 0 || (*v == 0 && !may_be_zero)) refuse(name, kWanted, value);
  if (part.is_integer() && *v <= 1) return *v;
  if (part.is_number() && *v > 1) refuse(name, kWanted, value);
  if (*v > std::numeric_limits<int>::max()) refuse(name, kWanted, value);
  return part;
}

}  // namespace

std::string shown(const Setting& value) {
  if (value.is_text()) return quote(value.as_text());
  if (!value.is_list()) return value.to_text();
  constexpr std::size_t kLongest = 200;
  std::string out = "[";
  for (const Setting& item : value.as_list()) {
    if (out.size() > kLongest) return out + ", ...]";
    out += fmt::format("{}{}", out.size() > 1 ? ", " : "", shown(item));
  }
  return out + "]";
}

Setting tidy_task(std::string_view name, const Setting& value) {
  if (is_one_of(value, {"segment", "semantic", "depth", "classify", "pose", "obb"}))
    refuse_for_now(name, value, "boxcar does task=detect");
  if (!is_one_of(value, {"detect"})) refuse(name, "detect", value);
  return value;
}

Setting tidy_mode(std::string_view name, const Setting& value) {
  if (is_one_of(value, {"export", "track", "benchmark"})) refuse_for_now(name, value, "use train, val or predict");
  if (!is_one_of(value, {"train", "val", "predict"})) refuse(name, "train, val or predict", value);
  return value;
}

Setting tidy_data(std::string_view name, const Setting& value) {
  if (value.is_list()) refuse_for_now(name, value, "start one run for each data set");
  if (!value.is_null() && !value.is_text()) refuse(name, "the file of a data-set description", value);
  return value;
}

Setting tidy_batch(std::string_view name, const Setting& value) {
  const auto v = value.real();
  if (v && *v > 0 && *v < 1) return value;
  const auto n = value.whole();
  if (!n || *n == 0 || *n < -1 || *n > std::numeric_limits<int>::max()) {
    refuse(name, "a number of images, -1 (as many as fit) or a share of the memory such as 0.7", value);
  }
  return *n;
}

Setting tidy_cache(std::string_view name, const Setting& value) {
  if (value.is_bool()) return value;
  static constexpr std::string_view kWords[] = {"ram", "disk"};
  const auto word = word_of(value, kWords);
  if (word == "disk") refuse_for_now(name, value, "use cache=ram");
  if (word.empty()) refuse(name, "True, False or ram", value);
  return word;
}

Setting tidy_device(std::string_view, const Setting& value) {
  parse_device_choice(value);
  return value;
}

Setting tidy_folder_name(std::string_view name, const Setting& value) {
  if (value.is_integer() || value.is_number()) return value.to_text();
  if (!value.is_null() && !value.is_text()) refuse(name, "text", value);
  return value;
}

Setting tidy_switch_or_file(std::string_view name, const Setting& value) {
  if (value.is_null()) return false;
  if (value.is_bool() || (value.is_text() && !value.as_text().empty())) return value;
  refuse(name, "True, False or a file", value);
}

Setting tidy_switch_or_text(std::string_view name, const Setting& value) {
  if (!value.is_bool() && !value.is_text()) refuse(name, "True, False or text", value);
  return value;
}

Setting tidy_optimizer(std::string_view name, const Setting& value) {
  static constexpr std::string_view kRules[] = {"SGD",   "MuSGD", "Adam",    "Adamax", "AdamW",
                                                "NAdam", "RAdam", "RMSProp", "auto"};
  const auto rule = word_of(value, kRules);
  if (rule.empty()) refuse(name, "SGD, MuSGD, Adam, Adamax, AdamW, NAdam, RAdam, RMSProp or auto", value);
  return rule;
}

Setting tidy_amp(std::string_view name, const Setting& value) {
  static constexpr std::string_view kForms[] = {"fp16", "bf16", "fp32"};
  if (value.is_bool()) return value;
  const auto word = word_of(value, kForms);
  if (word.empty()) refuse(name, "True, False, fp16, bf16 or fp32", value);
  return word;
}

Setting tidy_fraction(std::string_view name, const Setting& value) {
  if (!value.is_list()) return tidy_part(name, value, value, false);
  const auto& list = value.as_list();
  if (list.size() != 2 && list.size() != 3) refuse(name, "one number or a list of two or three", value);
  Setting::List parts;
  for (const Setting& part : list) parts.push_back(tidy_part(name, part, value, parts.size() == 2));
  return parts;
}

Setting tidy_freeze(std::string_view name, const Setting& value) {
  constexpr std::string_view kWanted = "a count of layers, or a list of layer numbers and name pieces";
  if (value.is_null() || is_index(value)) return value;
  if (!value.is_list()) refuse(name, kWanted, value);
  for (const Setting& item : value.as_list())
    if (!is_index(item) && !(item.is_text() && !item.as_text().empty())) refuse(name, kWanted, value);
  return value;
}

Setting tidy_split(std::string_view name, const Setting& value) {
  if (!is_one_of(value, {"train", "val", "test"})) refuse(name, "train, val or test", value);
  return value;
}

Setting tidy_quantize(std::string_view name, const Setting& value) {
  struct Form {
    std::string_view word;
    int bits;
  };
  static constexpr Form kForms[] = {{"int8", 8},    {"fp16", 16},   {"fp32", 32}, {"w8a8", 8},
                                    {"w16a16", 16}, {"w32a32", 32}, {"w8a16", 0}, {"w8a32", 0},
                                    {"8", 8},       {"16", 16},     {"32", 32}};
  if (value.is_null()) return value;
  const std::string text = lower_case(value.is_text() || value.is_integer() ? value.to_text() : "");
  for (const Form& f : kForms) {
    if (f.word != text) continue;
    if (f.bits < 16) refuse_for_now(name, value, "use 16 or 32");
    return f.bits;
  }
  refuse(name, "8, 16, 32, int8, fp16, fp32, w8a8, w16a16, w32a32, w8a16 or w8a32", value);
}

Setting tidy_nms(std::string_view name, const Setting& value) {
  if (value == Setting(false)) refuse_for_now(name, value, "leave it out, so that detections go through NMS");
  return value;
}

Setting tidy_source(std::string_view name, const Setting& value) {
  if (value.is_integer() || value.is_list() || (value.is_text() && value.as_text().find("://") != std::string::npos))
    refuse_for_now(name, value, "give an image, a folder, a list file or a glob");
  if (!value.is_null() && !value.is_text()) refuse(name, "an image, a folder, a list file or a glob", value);
  return value;
}

Setting tidy_classes(std::string_view name, const Setting& value) {
  constexpr std::string_view kWanted = "an integer of at least 0 or a list of them";
  if (value.is_null() || is_index(value)) return value;
  if (!value.is_list() || !std::ranges::all_of(value.as_list(), is_index)) refuse(name, kWanted, value);
  return value;
}

Setting tidy_copy_paste_mode(std::string_view name, const Setting& value) {
  if (!is_one_of(value, {"flip", "mixup"})) refuse(name, "flip or mixup", value);
  return value;
}

Setting tidy_scale(std::string_view name, const Setting& value) {
  constexpr std::string_view kWanted = "a number from 0 to 1, or a pair [min, max] of positive factors";
  if (const auto v = value.real()) {
    if (!(*v >= 0 && *v <= 1)) refuse(name, kWanted, value);
    return *v;
  }
  if (!value.is_list() || value.as_list().size() != 2) refuse(name, kWanted, value);
  for (const Setting& item : value.as_list())
    if (const auto v = item.real(); !v || !std::isfinite(*v) || *v <= 0) refuse(name, kWanted, value);
  return value;
}

}  // namespace boxcar
