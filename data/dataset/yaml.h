// YAML files of users: plain values only, by the rules of YAML 1.1 that the reference follows.
#pragma once

#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <optional>
#include <string>

namespace boxcar {

/// A file's map. Throws DataError naming the file where it is too large (4 MB), not YAML, not a
/// map, nested deeper than 32, or uses aliases, anchors or tags of its own.
YAML::Node load_yaml_map(const std::filesystem::path& file);

enum class YamlKind { kNull, kBool, kInteger, kFloat, kText, kList, kMap };

/// What a value is. Quoted ones are text; plain ones are what YAML 1.1 makes of them.
YamlKind yaml_kind(const YAML::Node& node);
/// For messages: "a number", "a list", ...
std::string yaml_kind_name(YamlKind kind);

/// The value as the reference would write it out as text: yes -> True, 010 -> 8, 1.50 -> 1.5,
/// null -> None; text as it stands. Not for lists and maps.
std::string yaml_text(const YAML::Node& node);

/// The value of a whole number: an integer, a float without fraction, or digits in quotes.
std::optional<long long> yaml_whole_number(const YAML::Node& node);

}  // namespace boxcar
