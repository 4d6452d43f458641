// What `source=` stands for: image files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "boxcar/runtime/base/log.h"

namespace boxcar {

/// The images of a source, which is a file; a folder (not recursive, hidden files left out); a pattern with * and,
/// beside it, ? and [a-z] (** stands for any folders, none too); or a .txt or .csv list with one source a line or cell
/// (relative to the working folder, else to the list's). Folders and patterns give sorted files. Files that are no
/// images by their suffix are left out; videos among them are counted in a warning. Throws ArgumentError for
/// streams, addresses and videos, which are not supported, DataError for a source that does not exist or holds no
/// image, and IoError for a list that cannot be read.
std::vector<std::filesystem::path> predict_sources(const std::string& source, const Log& log = {});

}  // namespace boxcar
