// CUDA's part of the device interface in a build without CUDA.
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/cuda_queries.h"

namespace boxcar {
namespace {

[[noreturn]] void refuse(Device device) {
  fail<DeviceError>("device {} is not available: this boxcar was built without CUDA; use device=cpu", device.name());
}

}  // namespace

std::unique_ptr<StreamBackend> make_cuda_stream(Device device) { refuse(device); }
std::unique_ptr<EventBackend> make_cuda_event(Device device, bool) { refuse(device); }
void* cuda_allocate(Device device, std::size_t, std::size_t) { refuse(device); }
void cuda_free(Device, void*) noexcept {}
void* cuda_allocate_host(Device device, std::size_t) { refuse(device); }
void cuda_free_host(void*) noexcept {}
DeviceMemory cuda_memory(Device device) { refuse(device); }
std::string cuda_pci_bus_id(Device device) { refuse(device); }
int cuda_device_count() noexcept { return 0; }
bool cuda_is_emulated() noexcept { return false; }
CudaReport cuda_report() noexcept { return {}; }

}  // namespace boxcar
