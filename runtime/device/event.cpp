#include "boxcar/runtime/device/event.h"

#include <chrono>
#include <optional>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/stream.h"

namespace boxcar {
namespace {

using Clock = std::chrono::steady_clock;

class CpuEvent final : public EventBackend {
 public:
  explicit CpuEvent(bool timed) : timed_(timed) {}
  void synchronize() override {}
  bool done() override { return true; }
  void reached() override {
    if (timed_) time_ = Clock::now();
  }
  double milliseconds_since(EventBackend& start) override {
    const auto* from = dynamic_cast<CpuEvent*>(&start);
    if (!from || !time_ || !from->time_)
      fail<DeviceError>("both events must be made to be timed, recorded, and on one device");
    return std::chrono::duration<double, std::milli>(*time_ - *from->time_).count();
  }

 private:
  bool timed_;
  std::optional<Clock::time_point> time_;
};

}  // namespace

StreamEvent::StreamEvent(Device device, EventOptions options) {
  if (device.is_cuda()) {
    backend_ = make_cuda_event(device, options.timed);
  } else {
    backend_ = std::make_unique<CpuEvent>(options.timed);
  }
}
StreamEvent::~StreamEvent() = default;
StreamEvent::StreamEvent(StreamEvent&&) noexcept = default;
StreamEvent& StreamEvent::operator=(StreamEvent&&) noexcept = default;

void StreamEvent::record(Stream& stream) { stream.backend().record(*backend_); }
void StreamEvent::synchronize() { backend_->synchronize(); }
bool StreamEvent::done() { return backend_->done(); }
double StreamEvent::milliseconds_since(StreamEvent& start) { return backend_->milliseconds_since(*start.backend_); }

}  // namespace boxcar
