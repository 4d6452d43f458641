#include "boxcar/runtime/device/stream.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/event.h"
#include "boxcar/runtime/device/graph.h"
#include "boxcar/runtime/device/race_clocks.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar {
namespace {

class CpuStream final : public StreamBackend {
 public:
  void synchronize() override {}
  void copy(void* to, const void* from, std::size_t bytes) override {
    if (bytes) std::memcpy(to, from, bytes);
  }
  void fill(void* to, int byte, std::size_t bytes) override {
    if (bytes) std::memset(to, byte, bytes);
  }
  void record(EventBackend& event) override { event.reached(); }
  void wait(EventBackend&) override {}
};

// Where races are looked for, one: ThreadSanitizer does not see how OpenMP's team waits.
int threads_of(const StreamOptions& options) {
  if (emulation::kDetectRaces) return 1;
  return options.threads > 0 ? options.threads : available_threads();
}

std::unique_ptr<StreamBackend> make_backend(Device device) {
  if (device.is_cuda()) return make_cuda_stream(device);
  return std::make_unique<CpuStream>();
}

}  // namespace

void StreamBackend::enqueue(const char* name, std::function<void()>) {
  fail<DeviceError>("'{}' was queued on a stream that runs no host work", name);
}

void StreamBackend::begin_capture() { fail<DeviceError>("only a CUDA stream can record its work; use device=cuda"); }
std::unique_ptr<GraphBackend> StreamBackend::end_capture() {
  fail<DeviceError>("only a CUDA stream can record its work; use device=cuda");
}

void* device_allocate(Device device, std::size_t bytes, std::size_t alignment) {
  if (device.is_cuda()) return cuda_allocate(device, bytes, alignment);
  // Not aligned_alloc, which wants a multiple of the alignment: AddressSanitizer sees the exact end.
  void* data = nullptr;
  return posix_memalign(&data, alignment, bytes) == 0 ? data : nullptr;
}

void device_free(Device device, void* data) noexcept {
  if (device.is_cuda()) {
    cuda_free(device, data);
  } else {
    std::free(data);
  }
}

Stream::Stream(Device device, StreamOptions options)
    : device_(device),
      threads_(threads_of(options)),
      dry_run_(options.dry_run),
      pool_(std::make_shared<MemoryPool>(device, options.dry_run)),
      backend_(make_backend(device)) {
  if (EmulationSettings* emulation = backend_->emulation(); emulation && options.threads > 0) {
    emulation->workers = threads_;
  }
  if (dry_run_ && device.is_cuda()) fail<DeviceError>("a dry run is made on the CPU, not on {}", device.name());
}

Stream::~Stream() {
  resources_.clear();
  backend_.reset();
}

std::pmr::memory_resource* Stream::scratch() const {
  if (device_.is_cuda()) fail<DeviceError>("the memory of {} cannot hold what the host works with", device_.name());
  return pool_.get();
}

void Stream::synchronize() { backend_->synchronize(); }
void Stream::copy(void* to, const void* from, std::size_t bytes) { backend_->copy(to, from, bytes); }
void Stream::fill(void* to, int byte, std::size_t bytes) { backend_->fill(to, byte, bytes); }
void Stream::wait(StreamEvent& event) { backend_->wait(event.backend()); }
std::shared_ptr<MemoryPool> Stream::exchange_pool(std::shared_ptr<MemoryPool> pool) {
  if (!pool || pool->device() != device_) {
    fail<DeviceError>("a stream on {} needs a pool of that device", device_.name());
  }
  return std::exchange(pool_, std::move(pool));
}

void Stream::begin_capture() {
  backend_->begin_capture();
  capturing_ = true;
  pool_->hold();
}

Graph Stream::end_capture() {
  capturing_ = false;
  std::shared_ptr<void> memory = pool_->release_hold();
  return Graph(backend_->end_capture(), std::move(memory));
}

}  // namespace boxcar
