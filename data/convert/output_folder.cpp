#include "boxcar/data/convert/output_folder.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <system_error>
#include <utility>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"

namespace boxcar {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void refuse(const fs::path& path, const std::error_code& error) {
  fail<IoError>("cannot write {}: {}", quote_path(path), error.message());
}

/// A folder that did not exist before, beside the target.
fs::path make_beside(const fs::path& target) {
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  if (error) refuse(target.parent_path(), error);
  for (int attempt = 0;; ++attempt) {
    fs::path folder =
        target.parent_path() / fmt::format(".{}.{}.{}.tmp", target.filename().string(), ::getpid(), attempt);
    if (fs::create_directory(folder, error)) return folder;
    if (error) refuse(folder, error);
  }
}

}  // namespace

OutputFolder::OutputFolder(fs::path target) : target_(fs::absolute(target).lexically_normal()) {
  if (!target_.has_filename()) target_ = target_.parent_path();  // a slash at the end
  std::error_code error;
  const bool exists = fs::exists(target_, error);
  if (exists && !(fs::is_directory(target_, error) && fs::is_empty(target_, error)))
    fail<ArgumentError>("{} exists already and is not an empty folder; name a new one", quote_path(target_));
  temporary_ = make_beside(target_);
}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

fs::path OutputFolder::place(const fs::path& relative) const {
  const fs::path normal = relative.lexically_normal();
  if (normal.empty() || normal.is_absolute() || *normal.begin() == ".." || !normal.has_filename())
    fail<ArgumentError>("{} is not a file below the output folder", quote_path(relative));
  const fs::path file = temporary_ / normal;
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error) refuse(file.parent_path(), error);
  return file;
}

void OutputFolder::write(const fs::path& relative, std::string_view text) const {
  const fs::path file = place(relative);
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  out.close();
  if (!out) fail<IoError>("cannot write {}; is the disk full?", quote_path(file));
}

void OutputFolder::write(const fs::path& relative, std::span<const std::uint8_t> bytes) const {
  write(relative, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void OutputFolder::copy(const fs::path& from, const fs::path& relative) const {
  const fs::path file = place(relative);
  std::error_code error;
  fs::copy_file(from, file, error);
  if (error) fail<IoError>("cannot copy {} to {}: {}", quote_path(from), quote_path(file), error.message());
}

void OutputFolder::link(const fs::path& to, const fs::path& relative) const {
  const fs::path file = place(relative);
  std::error_code error;
  fs::create_symlink(fs::absolute(to), file, error);
  if (error) refuse(file, error);
}

void OutputFolder::make_folder(const fs::path& relative) const {
  const fs::path folder = place(relative);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) refuse(folder, error);
}

void OutputFolder::commit() {
  std::error_code error;
  fs::rename(temporary_, target_, error);  // onto an empty folder too
  if (error) refuse(target_, error);
  temporary_.clear();
}

}  // namespace boxcar
