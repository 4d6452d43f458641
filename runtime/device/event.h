// A mark in a stream's work.
#pragma once

#include <memory>

#include "boxcar/runtime/device/device.h"

namespace boxcar {

class EventBackend;
class Stream;

struct EventOptions {
  /// Whether milliseconds_since() will be asked for; costs a little on a GPU.
  bool timed = false;
};

/// Lets another stream or the host wait for a stream's work up to a point (Stream::wait,
/// synchronize). On the CPU, where work is done when issued, it does nothing.
class StreamEvent {
 public:
  explicit StreamEvent(Device device = Device::cpu(), EventOptions options = {});
  ~StreamEvent();
  StreamEvent(StreamEvent&&) noexcept;
  StreamEvent& operator=(StreamEvent&&) noexcept;

  /// Marks the end of the work issued to `stream` so far. May be called again.
  void record(Stream& stream);
  /// The calling thread waits for the work before the last record(); at once if there was none.
  void synchronize();
  /// Whether that work is done, without waiting; true if there was none.
  bool done();
  /// Time on the device between the last record() of `start` and that of this event; waits for both. Throws DeviceError
  /// if one was not made with `timed`, or never recorded.
  double milliseconds_since(StreamEvent& start);
  EventBackend& backend() { return *backend_; }

 private:
  std::unique_ptr<EventBackend> backend_;
};

}  // namespace boxcar
