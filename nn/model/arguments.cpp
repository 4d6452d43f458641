#include "boxcar/nn/model/arguments.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <string_view>

#include "boxcar/runtime/base/error.h"

namespace boxcar::model {
namespace {

template <class... Word>
bool one_of(std::string_view text, Word... words) {
  return ((text == words) || ...);
}

template <class T>
bool read_number(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

/// A decimal number, or the text itself. Numbers with leading zeros are octal in YAML 1.1: left as texts.
Value number_or_text(const std::string& text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const std::string_view magnitude = digits.starts_with('-') ? digits.substr(1) : digits;
  if (magnitude.empty() || !(std::isdigit(static_cast<unsigned char>(magnitude[0])) || magnitude[0] == '.'))
    return text;
  if (magnitude.size() > 1 && magnitude[0] == '0' && std::isdigit(static_cast<unsigned char>(magnitude[1])))
    return text;
  std::int64_t whole = 0;
  if (read_number(digits, whole)) return whole;
  double number = 0;
  if (read_number(digits, number) && std::isfinite(number)) return number;
  return text;
}

Value literal_value(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar) {
    ValueList list;
    for (const YamlNode& item : node.items) list.push_back(literal_value(item));
    return list;
  }
  if (node.text == "None") return std::monostate{};
  if (node.text == "True") return true;
  if (node.text == "False") return false;
  return node.quoted ? number_or_text(node.text) : scalar_value(node);
}

}  // namespace

Value scalar_value(const YamlNode& node) {
  const std::string& text = node.text;
  if (node.quoted) return text;
  if (one_of(text, "", "~", "null", "Null", "NULL")) return std::monostate{};
  if (one_of(text, "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON")) return true;
  if (one_of(text, "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF")) return false;
  return number_or_text(text);
}

Value argument_value(const YamlNode& node, int nc) {
  if (node.kind != YamlNode::Kind::kScalar) return literal_value(node);
  if (node.text == "nc") return std::int64_t{nc};
  if (!node.text.starts_with('[')) return literal_value(node);
  try {
    return literal_value(read_yaml(node.text, "argument"));
  } catch (const ModelError&) {
    return node.text;  // not a list after all; whoever wants a list will say so
  }
}

std::string describe(const Value& value) {
  struct Words {
    std::string operator()(std::monostate) const { return "null"; }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(std::int64_t v) const { return fmt::format("{}", v); }
    std::string operator()(double v) const { return fmt::format("{}", v); }
    std::string operator()(const std::string& v) const { return fmt::format("the text '{}'", shown(v)); }
    std::string operator()(const ValueList& v) const { return fmt::format("a list of {}", v.size()); }
  };
  return std::visit(
      Words{},
      static_cast<const std::variant<std::monostate, bool, std::int64_t, double, std::string, ValueList>&>(value));
}

Arguments::Arguments(std::string where, std::string module, std::vector<std::string> names, ValueList values)
    : where_(std::move(where)), module_(std::move(module)), names_(std::move(names)), values_(std::move(values)) {
  if (values_.size() <= names_.size()) return;
  std::string list;
  for (const std::string& name : names_) list += (list.empty() ? "" : ", ") + name;
  refuse(names_.empty() ? fmt::format("takes no arguments, but got {}; write []", values_.size())
                        : fmt::format("takes at most {} arguments ({}), but got {}; remove the rest", names_.size(),
                                      list, values_.size()));
}

bool Arguments::has(std::size_t i, bool null_is_absent) const {
  return i < values_.size() && !(null_is_absent && std::holds_alternative<std::monostate>(values_[i]));
}

int Arguments::integer(std::size_t i, int otherwise, int low, int high) const {
  if (!has(i)) return otherwise;
  const auto* number = std::get_if<std::int64_t>(&values_[i]);
  if (!number || *number < low || *number > high) refuse(i, fmt::format("a whole number from {} to {}", low, high));
  return static_cast<int>(*number);
}

double Arguments::positive(std::size_t i, double otherwise, double high) const {
  if (!has(i)) return otherwise;
  const std::optional<double> number = number_at(i);
  if (!number || !(*number > 0 && *number <= high)) refuse(i, fmt::format("a number above 0, at most {}", high));
  return *number;
}

double Arguments::number(std::size_t i, double otherwise, double low, double high) const {
  if (!has(i)) return otherwise;
  const std::optional<double> number = number_at(i);
  if (!number || !(*number >= low && *number <= high)) refuse(i, fmt::format("a number from {} to {}", low, high));
  return *number;
}

std::optional<double> Arguments::number_at(std::size_t i) const {
  if (const auto* whole = std::get_if<std::int64_t>(&values_[i])) return static_cast<double>(*whole);
  if (const auto* real = std::get_if<double>(&values_[i])) return *real;
  return std::nullopt;
}

std::string Arguments::text(std::size_t i, const std::string& otherwise) const {
  if (!has(i)) return otherwise;
  const auto* text = std::get_if<std::string>(&values_[i]);
  if (!text) refuse(i, "a text");
  return *text;
}

bool Arguments::truth(std::size_t i, bool otherwise) const {
  if (!has(i)) return otherwise;
  if (const auto* number = std::get_if<std::int64_t>(&values_[i]); number && (*number == 0 || *number == 1)) {
    return *number == 1;
  }
  return strict_truth(i, otherwise);
}

bool Arguments::strict_truth(std::size_t i, bool otherwise) const {
  if (!has(i)) return otherwise;
  const auto* truth = std::get_if<bool>(&values_[i]);
  if (!truth) refuse(i, "true or false");
  return *truth;
}

std::vector<int> Arguments::integers(std::size_t i, std::vector<int> otherwise, std::size_t least, std::size_t most,
                                     int low, int high) const {
  if (!has(i)) return otherwise;
  const std::string wanted =
      fmt::format("a list of {} whole numbers from {} to {}",
                  least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most), low, high);
  const auto* list = std::get_if<ValueList>(&values_[i]);
  if (!list || list->size() < least || list->size() > most) refuse(i, wanted);
  std::vector<int> out;
  for (const Value& item : *list) {
    const auto* number = std::get_if<std::int64_t>(&item);
    if (!number || *number < low || *number > high) refuse(i, wanted);
    out.push_back(static_cast<int>(*number));
  }
  return out;
}

void Arguments::refuse(const std::string& sentence) const { fail<ModelError>("{}: {} {}", where_, module_, sentence); }

void Arguments::refuse(std::size_t i, const std::string& wanted) const {
  refuse(fmt::format("argument {} ({}) is {}, but must be {}", i + 1, names_[i], describe(values_[i]), wanted));
}

}  // namespace boxcar::model
