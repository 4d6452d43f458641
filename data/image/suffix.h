// File names.
#pragma once

#include <filesystem>
#include <string>

namespace boxcar {

/// What follows the last dot of the file name, in lower case (ASCII); empty where there is no dot.
inline std::string lower_suffix(const std::filesystem::path& file) {
  const std::string name = file.filename().string();
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos) return {};
  std::string suffix = name.substr(dot + 1);
  for (char& c : suffix)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return suffix;
}

}  // namespace boxcar
