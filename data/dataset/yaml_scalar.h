// Values without quotes, as YAML 1.1 reads them (yaml.org/type).
#pragma once

#include <string>
#include <string_view>

#include "boxcar/data/dataset/yaml.h"

namespace boxcar {

inline constexpr std::string_view kTextTag = "tag:yaml.org,2002:str";

/// Null, truth value (yes, No, ON, ...), integer (binary, octal, decimal, hexadecimal, base 60), float
/// (with a point; base 60), or text.
YamlKind scalar_kind(std::string_view text);

/// The value written out again: None, True, False, decimal digits, a float in its shortest form; text as it is.
std::string scalar_text(std::string_view text);

}  // namespace boxcar
