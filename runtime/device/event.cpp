#include "boxcar/runtime/device/event.h"

#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/stream.h"

namespace boxcar {
namespace {

class CpuEvent final : public EventBackend {
 public:
  void synchronize() override {}
  bool done() override { return true; }
};

}  // namespace

StreamEvent::StreamEvent(Device device) {
  if (device.is_cuda()) {
    backend_ = make_cuda_event(device);
  } else {
    backend_ = std::make_unique<CpuEvent>();
  }
}
StreamEvent::~StreamEvent() = default;
StreamEvent::StreamEvent(StreamEvent&&) noexcept = default;
StreamEvent& StreamEvent::operator=(StreamEvent&&) noexcept = default;

void StreamEvent::record(Stream& stream) { stream.backend().record(*backend_); }
void StreamEvent::synchronize() { backend_->synchronize(); }
bool StreamEvent::done() { return backend_->done(); }

}  // namespace boxcar
