// YAML files of arguments: cfg= files and args.yaml. Internal to args/.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "boxcar/trainers/args/setting.h"

namespace boxcar {

/// The key: value pairs of a YAML text, in order. Values may be scalars and lists of scalars (two levels deep at most).
/// Throws ArgumentError, naming `origin`, for anything else: other YAML, anchors and aliases, a key given twice.
std::vector<std::pair<std::string, Setting>> read_yaml_settings(std::string_view text, const std::string& origin);

/// The text of a file of at most 1 MiB; throws IoError, also for folders and devices.
std::string read_config_text(const std::filesystem::path& file);

}  // namespace boxcar
