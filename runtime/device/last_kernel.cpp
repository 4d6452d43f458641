#include "boxcar/runtime/device/last_kernel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

constexpr std::size_t kBytes = 256;

// Stays mapped until the process ends.
char* map_file(const char* path) {
  const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) fail<DeviceError>("BOXCAR_LAST_KERNEL={}: cannot be opened: {}", path, std::strerror(errno));
  void* const memory =
      ftruncate(file, kBytes) == 0 ? mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
  const int error = errno;
  close(file);
  if (memory == MAP_FAILED) {
    fail<DeviceError>("BOXCAR_LAST_KERNEL={}: cannot be written: {}", path, std::strerror(error));
  }
  return static_cast<char*>(memory);
}

}  // namespace

void note_last_kernel(const char* name) {
  static char* const place = [] {
    const char* const path = std::getenv("BOXCAR_LAST_KERNEL");
    return path && *path ? map_file(path) : nullptr;
  }();
  if (!place) return;
  const std::size_t length = std::min(std::strlen(name), kBytes - 2);
  std::memcpy(place, name, length);
  place[length] = '\n';
  std::memset(place + length + 1, 0, kBytes - length - 1);
}

}  // namespace boxcar
