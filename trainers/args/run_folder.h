// Where a run writes: runs/detect/train, train-2, train-3 ...
#pragma once

#include <filesystem>

#include "boxcar/trainers/args/args.h"

namespace boxcar {

/// The folder that the arguments ask for, before numbering: `save_dir` if set, else <runs>/<task>/<project>/<name>,
/// where a missing name is the mode, a missing project is left out, and an absolute project replaces <runs>/<task>.
std::filesystem::path wanted_run_folder(const Args& args, const std::filesystem::path& runs = "runs");

/// Creates the run folder, parents included, and returns its path. A folder that exists already gets a number, the
/// smallest free one from 2, unless exist_ok or save_dir say that it is meant. Two processes never get the same new
/// folder. Throws IoError, in one sentence with the remedy, where it cannot be created or written.
std::filesystem::path make_run_folder(const Args& args, const std::filesystem::path& runs = "runs");

/// "path-n"; for a file the number goes before the extension: "a/b-2.jpg".
std::filesystem::path numbered_path(const std::filesystem::path& path, int n, bool is_file);

}  // namespace boxcar
