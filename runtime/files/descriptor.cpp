#include "boxcar/runtime/files/descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"

namespace boxcar {
namespace {

// Linux transfers at most this much in one call.
constexpr std::size_t kLargestTransfer = std::size_t{1} << 30;

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this == &other) return *this;
  (void)close();
  number_ = std::exchange(other.number_, -1);
  return *this;
}

Descriptor::~Descriptor() { (void)close(); }

int Descriptor::close() {
  if (number_ < 0) return 0;
  // Not repeated after EINTR: Linux has released the number by then.
  return ::close(std::exchange(number_, -1)) == 0 || errno == EINTR ? 0 : errno;
}

void fail_io(const char* action, const std::filesystem::path& path, int error_number) {
  fail<IoError>("cannot {} {}: {}", action, quote_path(path), std::generic_category().message(error_number));
}

InputFile open_input(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a pipe without a writer would wait for ever otherwise.
  InputFile file{Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), 0};
  if (!file.descriptor) fail_io("open", path, errno);
  struct stat info {};
  if (::fstat(file.descriptor.number(), &info) != 0) fail_io("examine", path, errno);
  if (S_ISDIR(info.st_mode)) fail<IoError>("cannot read {}: it is a folder, not a file", quote_path(path));
  if (!S_ISREG(info.st_mode)) fail<IoError>("cannot read {}: it is not a regular file", quote_path(path));
  file.size = static_cast<std::uint64_t>(info.st_size);
  return file;
}

void read_exactly(const InputFile& file, const std::filesystem::path& path, std::uint64_t offset, std::byte* into,
                  std::size_t count) {
  while (count > 0) {
    const auto got =
        ::pread(file.descriptor.number(), into, std::min(count, kLargestTransfer), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_io("read", path, errno);
    if (got == 0) fail<IoError>("cannot read {}: it ends at byte {} while it is being read", quote_path(path), offset);
    into += got;
    offset += static_cast<std::uint64_t>(got);
    count -= static_cast<std::size_t>(got);
  }
}

}  // namespace boxcar
