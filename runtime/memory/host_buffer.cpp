#include "boxcar/runtime/memory/host_buffer.h"

#include <cstdlib>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"

namespace boxcar {

HostBuffer::HostBuffer(Device device, std::size_t bytes) : size_(bytes) {
  void* const data = device.is_cuda() ? cuda_allocate_host(device, bytes) : std::malloc(bytes);
  if (!data && bytes > 0) fail<OutOfMemory>("out of host memory: {} MiB wanted for copies to the GPU", bytes >> 20);
  data_ = std::shared_ptr<void>(data, device.is_cuda() ? cuda_free_host : std::free);
}

}  // namespace boxcar
