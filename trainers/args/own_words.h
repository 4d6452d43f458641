// Keys of boxcar's own commands, `info` and `data ...`. Internal to args/.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "boxcar/trainers/args/setting.h"

namespace boxcar {

/// Checks `words` (key=value, or a bare key that is a switch) against the keys of `command` ("info", "data check").
/// Throws ArgumentError for an unknown key, a value of the wrong kind and a missing required key.
std::map<std::string, Setting> read_own_values(const std::string& command, std::span<const std::string> words);

/// Sub-words of `data`.
std::vector<std::string> data_words();

}  // namespace boxcar
