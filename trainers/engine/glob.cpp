#include "boxcar/trainers/engine/glob.h"

#include <fnmatch.h>

#include <algorithm>
#include <system_error>

namespace boxcar {
namespace {

namespace fs = std::filesystem;
using Parts = std::vector<std::string>;

class Glob {
 public:
  explicit Glob(const fs::path& pattern) {
    for (const fs::path& part : pattern.relative_path()) {
      // ** twice in a row says no more than once, but would visit every folder many times.
      if (part != "**" || parts_.empty() || parts_.back() != "**") parts_.push_back(part.string());
    }
  }

  std::vector<fs::path> files(const fs::path& root) {
    match(root, 0);
    std::sort(found_.begin(), found_.end());
    found_.erase(std::unique(found_.begin(), found_.end()), found_.end());
    return std::move(found_);
  }

 private:
  static bool is_fixed(const std::string& part) { return part.find_first_of("*?[") == std::string::npos; }

  void match(const fs::path& folder, std::size_t index) {
    if (index == parts_.size()) return take(folder);
    const std::string& part = parts_[index];
    if (is_fixed(part)) return match(folder / part, index + 1);
    const bool deep = part == "**";
    if (deep && index + 1 < parts_.size()) match(folder, index + 1);
    std::error_code error;
    for (fs::directory_iterator it(folder.empty() ? fs::path(".") : folder, error), end; !error && it != end;
         it.increment(error)) {
      const fs::path name = it->path().filename();
      if (fnmatch(deep ? "*" : part.c_str(), name.c_str(), FNM_PERIOD) != 0) continue;
      if (!deep) {
        match(folder / name, index + 1);
      } else if (std::error_code ignored; it->is_directory(ignored) && !it->is_symlink(ignored)) {
        match(folder / name, index);
      } else if (index + 1 == parts_.size()) {
        take(folder / name);
      }
    }
  }

  void take(const fs::path& file) {
    std::error_code ignored;
    if (fs::is_regular_file(file, ignored)) found_.push_back(file);
  }

  Parts parts_;
  std::vector<fs::path> found_;
};

}  // namespace

std::vector<fs::path> glob_files(const std::string& pattern) {
  return Glob(pattern).files(fs::path(pattern).root_path());
}

}  // namespace boxcar
