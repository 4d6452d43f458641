// Numbers as label files write them.
#pragma once

#include <optional>
#include <string_view>

namespace boxcar {

/// A decimal number: sign, digits with underscores between them, point, exponent; or inf and nan. No
/// hexadecimal, no spaces, no locale. Too large becomes infinite, too small 0. Nothing where `text` is
/// none of that.
std::optional<double> parse_number(std::string_view text);

}  // namespace boxcar
