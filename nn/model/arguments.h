// The arguments of a row as typed values, and the row's own complaints. Private to nn/model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "boxcar/nn/model/yaml_tree.h"

namespace boxcar::model {

struct Value;
using ValueList = std::vector<Value>;
/// null, truth value, whole number, number, text or list.
struct Value : std::variant<std::monostate, bool, std::int64_t, double, std::string, ValueList> {
  using variant::variant;
};

/// A scalar as YAML reads it: a bare null, ~, true, yes, on, ... and numbers; all else is a text.
Value scalar_value(const YamlNode& node);
/// An argument as the builder reads it: the text nc becomes the number of classes; texts that look like literals
/// (None, True, False, numbers, "[1, 2]"), quoted or not, become what they look like; all else stays a text.
Value argument_value(const YamlNode& node, int nc);

/// "3", "the text 'abc'", "a list", ... for messages.
std::string describe(const Value& value);

/// Reads the arguments of one row by position and complains in the row's name.
class Arguments {
 public:
  /// `where` starts every message ("file:line: row 3 [...]"); `names` are the arguments that `module` takes in a row.
  Arguments(std::string where, std::string module, std::vector<std::string> names, ValueList values);

  std::size_t size() const { return values_.size(); }
  /// Whether argument i is there; where `null_is_absent`, null counts as absent.
  bool has(std::size_t i, bool null_is_absent = false) const;

  /// A whole number in [low, high]; `otherwise` where the row is shorter.
  int integer(std::size_t i, int otherwise, int low, int high) const;
  /// A positive number, at most `high`.
  double positive(std::size_t i, double otherwise, double high) const;
  /// A number in [low, high].
  double number(std::size_t i, double otherwise, double low, double high) const;
  std::string text(std::size_t i, const std::string& otherwise) const;
  /// true, false, 1 or 0.
  bool truth(std::size_t i, bool otherwise) const;
  /// true or false and nothing that only resembles it.
  bool strict_truth(std::size_t i, bool otherwise) const;
  /// A list of `least` to `most` whole numbers in [low, high].
  std::vector<int> integers(std::size_t i, std::vector<int> otherwise, std::size_t least, std::size_t most, int low,
                            int high) const;
  const Value& operator[](std::size_t i) const { return values_[i]; }

  /// Throws ModelError: "<where>: <module> <sentence>".
  [[noreturn]] void refuse(const std::string& sentence) const;
  /// As refuse, for argument i: "argument 2 (stride) is ..., but must be <wanted>".
  [[noreturn]] void refuse(std::size_t i, const std::string& wanted) const;

 private:
  std::optional<double> number_at(std::size_t i) const;

  std::string where_, module_;
  std::vector<std::string> names_;
  ValueList values_;
};

}  // namespace boxcar::model
