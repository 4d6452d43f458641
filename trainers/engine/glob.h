// Files by a pattern.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace boxcar {

/// Regular files that match, sorted. In a part of the path * stands for any text, ? for a letter, [a-z] for one of
/// several; the part ** stands for any folders, none too. None of them matches a leading dot, and ** does not follow
/// links. Folders that cannot be read are left out.
std::vector<std::filesystem::path> glob_files(const std::string& pattern);

}  // namespace boxcar
