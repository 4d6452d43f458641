// The YAML file that describes a data set.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "boxcar/runtime/base/log.h"

namespace boxcar {

/// A data set as its YAML describes it, with all paths absolute.
struct DataConfig {
  std::filesystem::path yaml, root;
  std::vector<std::filesystem::path> train, val, test;  // folders or text files; empty: not given
  std::vector<std::string> names;                       // one a class
  int nc = 0;                                           // names.size()
  int channels = 3;                                     // 3 colour, 1 grey
};

struct DataConfigOptions {
  /// A relative `path:` that does not exist from the working folder is looked for here.
  std::filesystem::path datasets_folder = "datasets";
  /// Where a bare name such as "coco8" is looked for, as coco8.yaml.
  std::vector<std::filesystem::path> search_folders = {};
  /// What relative paths start from.
  std::filesystem::path working_folder = std::filesystem::current_path();
  /// What a leading "~/" stands for; empty: not expanded.
  std::filesystem::path home = {};
  /// The split that is wanted (train, val or test) and must therefore be there; empty: val.
  std::string split = {};
  Log log = {};
};

/// Reads a data-set YAML by the rules of section 1 of the data facts. `what` is a file, a bare name,
/// or a folder with one YAML file in it (several: the one named like the folder).
///
/// YAML 1.1 rules hold for values without quotes (`names: [yes, 010]` are "True" and "8"). Aliases, anchors,
/// keys given twice and files above 4 MB are refused. Archives and `download:` are not supported: the message for
/// a missing `val` says so. Throws DataError naming file and key; IoError where the file cannot be read.
DataConfig load_data_config(const std::string& what, const DataConfigOptions& options = {});

}  // namespace boxcar
