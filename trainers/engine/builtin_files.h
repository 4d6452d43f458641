// Model files that are part of the program.
#pragma once

#include <optional>
#include <string>

#include "boxcar/runtime/files/embedded.h"

namespace boxcar {

/// The text of cfg/models/<name>, if there is one: for load_model_spec().
inline std::optional<std::string> builtin_model(std::string name) {
  const std::string file = "models/" + name;
  if (!has_embedded_file(file)) return std::nullopt;
  return std::string(embedded_file(file));
}

}  // namespace boxcar
