// Names of classes and files, made safe to draw.
#pragma once

#include <string>
#include <string_view>

namespace boxcar {

/// Valid UTF-8 on one line: control characters become spaces, broken bytes the replacement character, and
/// what is longer than `max_characters` (at least 1) ends in an ellipsis.
std::string printable(std::string_view text, std::size_t max_characters = 100);

}  // namespace boxcar
