// The files of cfg/ that are part of the binary: default arguments, model and data-set descriptions.
// Link boxcar_cfg to use them.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace boxcar {

/// Text of the file `name`, a path below cfg/ such as "default.yaml" or "models/yolo11.yaml".
/// The view stays valid for the life of the program. Throws Error if there is no such file.
std::string_view embedded_file(std::string_view name);

/// Whether embedded_file(name) would succeed.
bool has_embedded_file(std::string_view name);

/// Names of all embedded files that start with `prefix` ("models/"), sorted.
std::vector<std::string_view> embedded_files(std::string_view prefix = {});

namespace detail {
struct EmbeddedFile {
  std::string_view name, text;
};
/// Written at build time by cmake/WriteEmbeddedTable.cmake, sorted by name.
std::span<const EmbeddedFile> embedded_table();
}  // namespace detail

}  // namespace boxcar
