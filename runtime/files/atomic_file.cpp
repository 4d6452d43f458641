#include "boxcar/runtime/files/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <regex>
#include <system_error>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr std::size_t kLargestTransfer = std::size_t{1} << 30;
constexpr std::size_t kNameBytesKept = 200;  // of 255, to leave room for the suffix
constexpr mode_t kPermissionBits = 07777;

// A rename would replace the link, or a device such as /dev/null, instead of writing to it.
fs::path resolve_target(const fs::path& path) {
  if (path.filename().empty()) fail<IoError>("cannot write {}: it names a folder, not a file", quote_path(path));
  std::error_code error;
  const fs::path target = fs::is_symlink(fs::symlink_status(path, error)) ? fs::weakly_canonical(path, error) : path;
  if (error && error != std::errc::no_such_file_or_directory) fail_io("write", path, error.value());
  const fs::file_status status = fs::status(target, error);
  if (fs::is_directory(status)) fail<IoError>("cannot write {}: it is a folder", quote_path(path));
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    fail<IoError>("cannot write {}: it is not a regular file", quote_path(path));
  }
  return target;
}

fs::path folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

// Opens a file that did not exist before: another process writing the same file gets another number.
Descriptor create_beside(const fs::path& target, fs::path& temporary) {
  const std::string name = target.filename().string().substr(0, kNameBytesKept);
  for (int attempt = 0;; ++attempt) {
    temporary = folder_of(target) / fmt::format(".{}.{}.{}.tmp", name, ::getpid(), attempt);
    Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file || errno != EEXIST) return file;
  }
}

// ".NAME.PROCESS.ATTEMPT.tmp", as create_beside() makes them.
bool is_temporary(const std::string& name) {
  static const std::regex kPattern(R"(\..+\.\d+\.\d+\.tmp)");
  return std::regex_match(name, kPattern);
}

// Some file systems cannot flush a folder, and say so with one of these.
bool is_unsupported(int error_number) { return error_number == EINVAL || error_number == ENOTSUP; }

int flush(int descriptor) {
  while (::fsync(descriptor) != 0) {
    if (errno != EINTR) return is_unsupported(errno) ? 0 : errno;
  }
  return 0;
}

// Makes the rename itself survive a power failure.
int flush_folder(const fs::path& folder) {
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // A folder may be writable without being readable; there the rename is in place, only not forced to the disk.
  if (!opened) return errno == EACCES ? 0 : errno;
  return flush(opened.number());
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& path) : path_(path), target_(resolve_target(path)) {
  descriptor_ = create_beside(target_, temporary_);
  if (!descriptor_) {
    temporary_.clear();
    fail_io("write", path_, errno);
  }
  struct stat old {};
  if (::stat(target_.c_str(), &old) == 0) (void)::fchmod(descriptor_.number(), old.st_mode & kPermissionBits);
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::append(std::string_view text) {
  size_ += text.size();
  if (buffer_.size() + text.size() <= kBufferBytes) {
    buffer_ += text;
    return;
  }
  write_buffer();
  write_all(text.data(), text.size());
}

void AtomicFile::append(std::span<const std::byte> bytes) {
  append(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void AtomicFile::write_buffer() {
  write_all(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void AtomicFile::write_all(const char* data, std::size_t count) {
  while (count > 0) {
    const auto written = ::write(descriptor_.number(), data, std::min(count, kLargestTransfer));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_io("write", path_, errno);
    data += written;
    count -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  write_buffer();
  if (const int error = flush(descriptor_.number())) fail_io("write", path_, error);
  if (const int error = descriptor_.close()) fail_io("write", path_, error);
  if (std::rename(temporary_.c_str(), target_.c_str()) != 0) fail_io("write", path_, errno);
  temporary_.clear();
  if (const int error = flush_folder(folder_of(target_))) fail_io("write", path_, error);
}

void remove_unfinished_files(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (is_temporary(entry.path().filename().string())) fs::remove(entry.path(), ignored);
  }
}

void write_file_atomically(const fs::path& path, std::string_view content) {
  AtomicFile file(path);
  file.append(content);
  file.commit();
}

std::string read_file(const fs::path& path, std::uint64_t max_bytes) {
  const InputFile file = open_input(path);
  if (file.size > max_bytes) {
    fail<IoError>("cannot read {}: it holds {} bytes, more than the {} expected here", quote_path(path), file.size,
                  max_bytes);
  }
  std::string content(static_cast<std::size_t>(file.size), '\0');
  read_exactly(file, path, 0, reinterpret_cast<std::byte*>(content.data()), content.size());
  return content;
}

}  // namespace boxcar
