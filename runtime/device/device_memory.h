// How much memory a device has.
#pragma once

#include <cstddef>

#include "boxcar/runtime/device/device.h"

namespace boxcar {

/// In bytes.
struct DeviceMemory {
  std::size_t free = 0;  // nobody uses it at this moment
  std::size_t total = 0;
};

/// Of a GPU, as its driver says; of the CPU, as the system estimates what it can hand out without swapping. Throws
/// DeviceError if the device is not there.
DeviceMemory device_memory(Device device);

}  // namespace boxcar
