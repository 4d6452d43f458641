// CUDA's part of the device interface on the CPU (BOXCAR_CUDA=EMULATE).
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/cuda_queries.h"
#include "boxcar/runtime/device/emulated_driver.h"
#include "boxcar/runtime/device/emulated_memory.h"
#include "boxcar/runtime/device/last_kernel.h"

namespace boxcar {
namespace {

using emulation::CardMemory;
using emulation::Driver;
using emulation::EventState;
using emulation::kDevices;
using emulation::Work;

void require(Device device) {
  if (device.index >= 0 && device.index < kDevices) return;
  fail<DeviceError>("device {} is not available: {} emulated CUDA devices exist", device.name(), kDevices);
}

class EmulatedEvent final : public EventBackend {
 public:
  explicit EmulatedEvent(bool timed) : timed_(timed) {}
  void synchronize() override { Driver::instance().finish(*state_); }
  bool done() override { return Driver::instance().is_done(*state_); }
  double milliseconds_since(EventBackend& start) override;
  const std::shared_ptr<EventState>& state() const { return state_; }

 private:
  bool timed_;
  std::shared_ptr<EventState> state_ = std::make_shared<EventState>();
};

const std::shared_ptr<EventState>& state_of(EventBackend& event) {
  auto* emulated = dynamic_cast<EmulatedEvent*>(&event);
  if (!emulated) fail<DeviceError>("a CUDA stream can only use an event made for a CUDA device");
  return emulated->state();
}

// A driver measures no more than it was asked to.
double EmulatedEvent::milliseconds_since(EventBackend& start) {
  const std::shared_ptr<EventState>& from = state_of(start);
  if (!timed_ || !dynamic_cast<EmulatedEvent&>(start).timed_) fail<DeviceError>("the event was not made to be timed");
  if (!from->recorded || !state_->recorded) fail<DeviceError>("an event that was never recorded has no time");
  start.synchronize();
  synchronize();
  return std::chrono::duration<double, std::milli>(state_->time - from->time).count();
}

class EmulatedStream final : public StreamBackend {
 public:
  void synchronize() override {
    refuse_in_capture("synchronize()");
    Driver::instance().finish(queue_);
  }
  void copy(void* to, const void* from, std::size_t bytes) override {
    if (bytes) push({[=] { std::memcpy(to, from, bytes); }});
  }
  void fill(void* to, int byte, std::size_t bytes) override {
    if (bytes) push({[=] { std::memset(to, byte, bytes); }});
  }
  void enqueue(const char* name, std::function<void()> kernel) override {
    push({[name, run = std::move(kernel)] {
            note_last_kernel(name);
            run();
          },
          true});
  }
  EmulationSettings* emulation() override { return &settings_; }

  void record(EventBackend& event) override {
    refuse_in_capture("an event");
    Driver::instance().record(queue_, state_of(event));
  }
  void wait(EventBackend& event) override {
    refuse_in_capture("an event");
    Driver::instance().wait(queue_, state_of(event));
  }

  void begin_capture() override {
    refuse_in_capture("begin_capture()");
    recording_ = std::make_unique<std::vector<Work>>();
  }
  std::unique_ptr<GraphBackend> end_capture() override;

  void push(Work work) {
    if (recording_) {
      recording_->push_back(std::move(work));
    } else {
      Driver::instance().push(queue_, std::move(work));
    }
  }

 private:
  void refuse_in_capture(const char* what) const {
    if (recording_) fail<DeviceError>("{} is not possible between begin_capture() and end_capture()", what);
  }

  EmulationSettings settings_;
  std::unique_ptr<std::vector<Work>> recording_;
  emulation::Queue queue_;
};

class EmulatedGraph final : public GraphBackend {
 public:
  explicit EmulatedGraph(std::vector<Work> work) : work_(std::move(work)) {}

  void launch(StreamBackend& stream) override {
    auto* emulated = dynamic_cast<EmulatedStream*>(&stream);
    if (!emulated) fail<DeviceError>("a graph of CUDA work can only be launched on a CUDA stream");
    for (const Work& work : work_) emulated->push(work);
  }
  int kernels() const override {
    int count = 0;
    for (const Work& work : work_) count += work.is_kernel;
    return count;
  }

 private:
  std::vector<Work> work_;
};

std::unique_ptr<GraphBackend> EmulatedStream::end_capture() {
  if (!recording_) fail<DeviceError>("end_capture() without begin_capture() on the same stream");
  auto graph = std::make_unique<EmulatedGraph>(std::move(*recording_));
  recording_.reset();
  return graph;
}

}  // namespace

std::unique_ptr<StreamBackend> make_cuda_stream(Device device) {
  require(device);
  return std::make_unique<EmulatedStream>();
}

std::unique_ptr<EventBackend> make_cuda_event(Device device, bool timed) {
  require(device);
  return std::make_unique<EmulatedEvent>(timed);
}

// Each block is one of malloc's, with AddressSanitizer's red zones. It starts as NaN.
void* cuda_allocate(Device device, std::size_t bytes, std::size_t alignment) {
  require(device);
  void* const data = CardMemory::instance().allocate(device.index, bytes, alignment);
  return data ? std::memset(data, 0xFF, bytes) : nullptr;
}

void cuda_free(Device, void* data) noexcept {
  CardMemory::instance().forget(data);
  Driver::instance().free_later(data);
}

std::string cuda_pci_bus_id(Device device) {
  require(device);
  return "0000:0" + std::to_string(device.index) + ":00.0";
}

DeviceMemory cuda_memory(Device device) {
  require(device);
  return CardMemory::instance().of(device.index);
}

void* cuda_allocate_host(Device device, std::size_t bytes) {
  require(device);
  return std::malloc(bytes);
}

void cuda_free_host(void* data) noexcept { Driver::instance().free_later(data); }

int cuda_device_count() noexcept { return kDevices; }
bool cuda_is_emulated() noexcept { return true; }
CudaReport cuda_report() noexcept { return {}; }

}  // namespace boxcar
