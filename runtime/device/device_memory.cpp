#include "boxcar/runtime/device/device_memory.h"

#include <unistd.h>

#include <fstream>
#include <string>

#include "boxcar/runtime/device/cuda_queries.h"

namespace boxcar {
namespace {

// "MemAvailable:   12345 kB"; 0 where the system has no such line.
std::size_t meminfo(const std::string& name) {
  std::ifstream lines("/proc/meminfo");
  std::string word;
  for (std::size_t kilobytes = 0; lines >> word;) {
    if (word == name + ":" && lines >> kilobytes) return kilobytes << 10;
  }
  return 0;
}

std::size_t pages(int name) {
  const long count = sysconf(name), size = sysconf(_SC_PAGESIZE);
  return count > 0 && size > 0 ? static_cast<std::size_t>(count) * static_cast<std::size_t>(size) : 0;
}

}  // namespace

DeviceMemory device_memory(Device device) {
  if (device.is_cuda()) return cuda_memory(device);
  const std::size_t available = meminfo("MemAvailable");
  return {available > 0 ? available : pages(_SC_AVPHYS_PAGES), pages(_SC_PHYS_PAGES)};
}

}  // namespace boxcar
