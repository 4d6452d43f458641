#include "boxcar/runtime/files/embedded.h"

#include <algorithm>

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

const detail::EmbeddedFile* find(std::string_view name) {
  const auto table = detail::embedded_table();
  const auto it = std::ranges::find(table, name, &detail::EmbeddedFile::name);
  return it == table.end() ? nullptr : &*it;
}

}  // namespace

std::string_view embedded_file(std::string_view name) {
  const auto* file = find(name);
  if (!file) fail("no file '{}' is built in", name);
  return file->text;
}

bool has_embedded_file(std::string_view name) { return find(name) != nullptr; }

std::vector<std::string_view> embedded_files(std::string_view prefix) {
  std::vector<std::string_view> names;
  for (const auto& file : detail::embedded_table())
    if (file.name.starts_with(prefix)) names.push_back(file.name);
  return names;
}

}  // namespace boxcar
