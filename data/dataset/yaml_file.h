// Which file a `data=` argument means.
#pragma once

#include <filesystem>
#include <string>

#include "boxcar/data/dataset/data_config.h"

namespace boxcar {

/// The absolute path of the YAML file that `what` names: a file, a bare name that one of the search folders
/// holds (with or without .yaml), or a folder: the one .yaml file in it, else below it; of several
/// the one whose name is the folder's. Throws DataError saying where it looked; archives are refused.
std::filesystem::path find_data_yaml(const std::string& what, const DataConfigOptions& options);

}  // namespace boxcar
