#include "boxcar/trainers/args/run_folder.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"

namespace boxcar {
namespace fs = std::filesystem;
namespace {

constexpr int kHighestNumber = 1000000;

[[noreturn]] void fail_folder(const fs::path& folder, const std::error_code& error) {
  fail<IoError>("cannot write the run folder {}: {}; name another place with project=", quote_path(folder),
                error.message());
}

bool is_taken(const fs::path& path) {
  std::error_code error;
  const fs::file_type type = fs::symlink_status(path, error).type();
  // A link that leads nowhere is taken too; what cannot be looked at (none) is left to create_directory to explain.
  return type != fs::file_type::not_found && type != fs::file_type::none;
}

void create_parents(const fs::path& folder) {
  if (folder.parent_path().empty()) return;
  std::error_code error;
  fs::create_directories(folder.parent_path(), error);
  if (error) fail_folder(folder, error);
}

/// Creates `folder` itself; false if something of that name is there, were it only since a moment.
bool create_new(const fs::path& folder) {
  std::error_code error;
  if (is_taken(folder)) return false;
  if (fs::create_directory(folder, error)) return true;
  if (error && error != std::errc::file_exists) fail_folder(folder, error);
  return false;
}

fs::path use_existing(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail_folder(folder, error);
  if (!fs::is_directory(folder, error)) fail_folder(folder, std::make_error_code(std::errc::not_a_directory));
  if (::access(folder.c_str(), W_OK | X_OK) != 0) fail_folder(folder, {errno, std::generic_category()});
  return folder;
}

}  // namespace

fs::path wanted_run_folder(const Args& args, const fs::path& runs) {
  if (args.save_dir && !args.save_dir->empty()) return fs::path(*args.save_dir).lexically_normal();
  fs::path folder = runs / args.task;
  if (args.project) folder /= *args.project;
  folder /= args.name && !args.name->empty() ? *args.name : args.mode;
  folder = folder.lexically_normal();
  // "name=a/" would leave an empty last part, which no number can be put behind.
  return folder.has_filename() ? folder : folder.parent_path();
}

fs::path make_run_folder(const Args& args, const fs::path& runs) {
  const fs::path folder = wanted_run_folder(args, runs);
  if (args.exist_ok || (args.save_dir && !args.save_dir->empty())) return use_existing(folder);
  create_parents(folder);
  if (create_new(folder)) return folder;
  for (int n = 2; n <= kHighestNumber; ++n)
    if (const fs::path next = numbered_path(folder, n, false); create_new(next)) return next;
  fail<IoError>("{} and every number up to {} are taken; name another place with project=", quote_path(folder),
                kHighestNumber);
}

fs::path numbered_path(const fs::path& path, int n, bool is_file) {
  const std::string number = "-" + std::to_string(n);
  if (!is_file) return path.string() + number;
  return path.parent_path() / (path.stem().string() + number + path.extension().string());
}

}  // namespace boxcar
