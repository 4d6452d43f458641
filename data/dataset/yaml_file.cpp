#include "boxcar/data/dataset/yaml_file.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "boxcar/data/image/suffix.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::string_view, 6> kArchives{"zip", "tar", "gz", "tgz", "bz2", "xz"};

bool is_yaml(const fs::path& file) {
  const std::string suffix = lower_suffix(file);
  return suffix == "yaml" || suffix == "yml";
}

template <class Iterator>
std::vector<fs::path> yaml_files(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (Iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored) && is_yaml(it->path())) found.push_back(it->path());
  }
  if (error) fail<DataError>("cannot list the folder {}: {}", folder.string(), error.message());
  std::sort(found.begin(), found.end());
  return found;
}

fs::path yaml_of_folder(const fs::path& folder) {
  std::vector<fs::path> found = yaml_files<fs::directory_iterator>(folder);
  if (found.empty()) found = yaml_files<fs::recursive_directory_iterator>(folder);
  if (found.empty()) fail<DataError>("data={}: no .yaml file in this folder", folder.string());
  const fs::path name = folder.has_filename() ? folder.filename() : folder.parent_path().filename();
  if (found.size() > 1) std::erase_if(found, [&](const fs::path& f) { return f.stem() != name; });
  if (found.size() != 1)
    fail<DataError>("data={}: several .yaml files in this folder, and not one of them is named like it; name the file",
                    folder.string());
  return found.front();
}

/// Where a name may be found: as it stands first, then in the search folders.
std::vector<fs::path> candidates(const fs::path& what, const DataConfigOptions& options) {
  std::vector<fs::path> places{options.working_folder / what};
  for (const fs::path& folder : options.search_folders) places.push_back(options.working_folder / folder / what);
  if (is_yaml(what)) return places;
  std::vector<fs::path> all;
  for (fs::path place : places) {
    all.push_back(place);
    all.push_back(place += ".yaml");
  }
  return all;
}

}  // namespace

fs::path find_data_yaml(const std::string& what, const DataConfigOptions& options) {
  if (what.empty()) fail<DataError>("data= is empty; name a data-set YAML file, for example data=coco8.yaml");
  const std::string suffix = lower_suffix(what);
  if (std::find(kArchives.begin(), kArchives.end(), suffix) != kArchives.end())
    fail<DataError>("data={}: archives are not read; unpack it and name the .yaml file inside", what);
  const bool expand = !options.home.empty() && what.starts_with("~/");
  std::error_code ignored;
  for (const fs::path& place : candidates(expand ? options.home / what.substr(2) : fs::path(what), options)) {
    if (fs::is_directory(place, ignored)) return yaml_of_folder(place.lexically_normal());
    if (fs::is_regular_file(place, ignored)) return fs::absolute(place).lexically_normal();
  }
  std::string folders;
  for (const fs::path& folder : options.search_folders) folders += ", " + folder.string();
  fail<DataError>("data={}: no such file or folder (looked in {}{})", what, options.working_folder.string(), folders);
}

}  // namespace boxcar
