#include "boxcar/runtime/device/cuda_errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace boxcar {
namespace {

// As in the toolkit's driver_types.h, where they have not changed since CUDA 10.1.
constexpr int kInsufficientDriver = 35, kDevicesUnavailable = 46, kNoDevice = 100, kDriverMismatch = 803;

std::string version(int number) { return fmt::format("{}.{}", number / 1000, number % 1000 / 10); }

// One entry: digits, perhaps a letter, perhaps -real or -virtual.
bool entry_serves(std::string_view entry, int major, int minor) {
  int number = 0;
  const auto [rest, error] = std::from_chars(entry.data(), entry.data() + entry.size(), number);
  if (error != std::errc()) return false;
  const std::string_view suffix(rest, static_cast<std::size_t>(entry.data() + entry.size() - rest));
  const int wanted = 10 * major + minor;
  if (!suffix.empty() && suffix.front() != '-') return number == wanted;
  const bool code = !suffix.ends_with("-virtual"), translatable = !suffix.ends_with("-real");
  return (code && number / 10 == major && number <= wanted) || (translatable && number <= wanted);
}

}  // namespace

std::string cuda_trouble(int error, std::string_view name, CudaVersions versions) {
  if ((error == kInsufficientDriver || error == kNoDevice) && versions.driver == 0) {
    return fmt::format("no NVIDIA driver is installed; install one that serves CUDA {}, or use device=cpu",
                       version(versions.runtime));
  }
  switch (error) {
    case kInsufficientDriver:
      return fmt::format(
          "the NVIDIA driver serves CUDA {} and this program needs {}; update the driver, build boxcar with an older "
          "CUDA toolkit, or use device=cpu",
          version(versions.driver), version(versions.runtime));
    case kNoDevice:
      return "the NVIDIA driver finds no GPU; see what nvidia-smi and CUDA_VISIBLE_DEVICES say, or use device=cpu";
    case kDevicesUnavailable:
      return "the GPU is busy or set to serve one program alone; end the other one (nvidia-smi names it), or use "
             "device=cpu";
    case kDriverMismatch:
      return "parts of the NVIDIA driver have different versions, as after an update; restart the machine, or use "
             "device=cpu";
    default:
      return fmt::format("{}; check the NVIDIA driver with nvidia-smi, or use device=cpu", name);
  }
}

bool has_code_for(std::string_view architectures, int major, int minor) {
  while (!architectures.empty()) {
    const std::size_t end = std::min(architectures.find_first_of(";,"), architectures.size());
    if (entry_serves(architectures.substr(0, end), major, minor)) return true;
    architectures.remove_prefix(std::min(end + 1, architectures.size()));
  }
  return false;
}

}  // namespace boxcar
