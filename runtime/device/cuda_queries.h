// What a CUDA driver says of its devices. Beside backend.h, and supplied by the same file of a build.
#pragma once

#include <string>

#include "boxcar/runtime/device/device_memory.h"

namespace boxcar {

/// Both throw DeviceError if the device is not there.
DeviceMemory cuda_memory(Device device);
/// "0000:3b:00.0", by which other libraries know the device.
std::string cuda_pci_bus_id(Device device);

}  // namespace boxcar
