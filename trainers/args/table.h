// The table of arguments: name, field, what it may hold, and whether boxcar supports it. Internal to args/.
#pragma once

#include <limits>
#include <span>
#include <variant>

#include "boxcar/trainers/args/args.h"

namespace boxcar {

using ArgumentField =
    std::variant<bool Args::*, int Args::*, double Args::*, std::string Args::*, std::optional<bool> Args::*,
                 std::optional<int> Args::*, std::optional<double> Args::*, std::optional<std::string> Args::*,
                 ImageSize Args::*, BatchSize Args::*, Setting Args::*>;

/// What a value must be beyond its type.
struct ArgumentRule {
  double lowest = -std::numeric_limits<double>::infinity();
  double highest = std::numeric_limits<double>::infinity();
  /// Checks the value, and returns the form in which it is kept; null = no special forms.
  Setting (*tidy)(std::string_view name, const Setting& value) = nullptr;
};

enum class Support {
  yes,
  not_yet,    // refused unless it has its default
  other_task  // the same, because it means nothing for detection
};

struct ArgumentRow {
  std::string_view name;
  ArgumentField field;
  ArgumentRule rule;
  Support support;
};

/// All arguments in the order of cfg/default.yaml.
std::span<const ArgumentRow> argument_table();
/// The row of `name`, or null.
const ArgumentRow* find_argument(std::string_view name);

/// Checks `value` by the row's type and rule and stores it in its field. Throws ArgumentError.
void assign(Args& args, const ArgumentRow& row, const Setting& value);
/// The field of the row as a Setting; assign() takes it back unchanged.
Setting value_of(const Args& args, const ArgumentRow& row);

/// Throws ArgumentError when `value` is set to what boxcar cannot do.
void refuse_unsupported(const ArgumentRow& row, const Setting& value);

/// Defaults of cfg/default.yaml in its order.
const std::vector<Overrides::Item>& default_settings();

}  // namespace boxcar
