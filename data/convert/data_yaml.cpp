#include "boxcar/data/convert/data_yaml.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace boxcar {
namespace {

/// JSON's quoting is valid YAML. Bytes that are not UTF-8 become the replacement character.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string data_yaml_text(std::string_view comment, const std::vector<std::pair<std::string, std::string>>& splits,
                           const std::vector<std::string>& names) {
  std::string text = fmt::format("# {}\n# No path: the folder of this file is the root.\n", comment);
  const auto has = [&](const char* key) {
    return std::any_of(splits.begin(), splits.end(), [&](const auto& split) { return split.first == key; });
  };
  for (const auto& [key, folder] : splits) text += fmt::format("{}: {}\n", key, quoted(folder));
  for (const char* key : {"train", "val"})
    if (!has(key)) text += fmt::format("{}:  # none; the key has to be there\n", key);
  text += "\nnames:\n";
  for (std::size_t i = 0; i < names.size(); ++i) text += fmt::format("  {}: {}\n", i, quoted(names[i]));
  return text;
}

std::string label_line(int cls, double xc, double yc, double w, double h) {
  return fmt::format("{} {:.6f} {:.6f} {:.6f} {:.6f}\n", cls, xc, yc, w, h);
}

}  // namespace boxcar
