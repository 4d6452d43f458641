// What a kind of device must supply; for runtime/, kernels/common/launch.h and tests.
//
// The CPU's part is in stream.cpp. CUDA's is in exactly one of device_cuda.cpp
// (the CUDA runtime), device_emulated.cpp (BOXCAR_CUDA=EMULATE) and
// device_none.cpp (refuses), chosen by CMake.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "boxcar/runtime/device/device.h"

namespace boxcar {

/// How emulated kernels of a stream run (BOXCAR_CUDA=EMULATE); taken over when a kernel is launched.
struct EmulationSettings {
  /// Order of the blocks of a grid and of the threads of a block.
  enum class Order { kForward, kReverse, kRandom };
  Order order = Order::kForward;
  unsigned char poison = 0xFF;  // what shared memory holds before a block writes to it
  std::uint64_t seed = 0;       // of the random order
  int workers = 1;              // CPU threads that share the blocks of a grid
};

/// A place in a stream's order that others may wait for.
class EventBackend {
 public:
  virtual ~EventBackend() = default;
  /// The calling thread waits until the work before the last record() is done.
  virtual void synchronize() = 0;
  /// Whether the work before the last record() is done. Does not wait.
  virtual bool done() = 0;
  /// See StreamEvent::milliseconds_since(); `start` is of the same kind of device.
  virtual double milliseconds_since(EventBackend& start) = 0;
  /// From the CPU's streams, whose work is done when issued: record() takes place now.
  virtual void reached() {}
};

class StreamBackend;

/// Recorded work that can be issued again.
class GraphBackend {
 public:
  virtual ~GraphBackend() = default;
  virtual void launch(StreamBackend& stream) = 0;
  /// Number of kernels in it; copies and fills are not counted.
  virtual int kernels() const = 0;
};

/// An in-order queue of work on a device. What a device does not have throws DeviceError.
class StreamBackend {
 public:
  virtual ~StreamBackend() = default;
  /// Waits until all queued work is done.
  virtual void synchronize() = 0;
  /// cudaStream_t, whose device becomes the calling thread's; null where there is none.
  virtual void* handle() const { return nullptr; }
  /// Copies within the device, to it or from it, in stream order. The ranges must not overlap.
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;
  /// Sets bytes, in stream order.
  virtual void fill(void* to, int byte, std::size_t bytes) = 0;
  /// Emulation only: runs `kernel` at its place in the queue.
  virtual void enqueue(const char* name, std::function<void()> kernel);
  /// Emulation only: how kernels launched from now on run; null on other streams.
  virtual EmulationSettings* emulation() { return nullptr; }
  /// Called after each launch of a CUDA kernel, whose name it notes (last_kernel.h); with BOXCAR_SYNC=1 waits for it,
  /// so that a failure bears its name.
  virtual void launched(const char*) {}

  virtual void record(EventBackend& event) = 0;
  virtual void wait(EventBackend& event) = 0;
  virtual void begin_capture();
  virtual std::unique_ptr<GraphBackend> end_capture();
};

std::unique_ptr<EventBackend> make_cuda_event(Device device, bool timed);
std::unique_ptr<StreamBackend> make_cuda_stream(Device device);
void* cuda_allocate(Device device, std::size_t bytes, std::size_t alignment);
void cuda_free(Device device, void* data) noexcept;
/// Page-locked host memory; null when out of memory.
void* cuda_allocate_host(Device device, std::size_t bytes);
void cuda_free_host(void* data) noexcept;
/// Number of CUDA devices; 0 without a driver. Never throws.
int cuda_device_count() noexcept;
/// What `boxcar checks` says of CUDA. Versions as CUDA counts them, 13000 for 13.0.
struct CudaReport {
  int toolkit = 0;                   // that the program was built with; 0: without CUDA, or emulated
  int driver = 0;                    // the newest CUDA that the driver knows; 0: no driver
  std::vector<std::string> cards{};  // "NVIDIA H100 80GB HBM3, 79.1 GiB, compute capability 9.0"
};
/// Never throws: what cannot be asked for is left out.
CudaReport cuda_report() noexcept;
/// Whether CUDA code runs on the CPU here (BOXCAR_CUDA=EMULATE).
bool cuda_is_emulated() noexcept;

/// Null when out of memory.
void* device_allocate(Device device, std::size_t bytes, std::size_t alignment);
void device_free(Device device, void* data) noexcept;

}  // namespace boxcar
