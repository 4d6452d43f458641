// Host memory for copies that run beside other work.
#pragma once

#include <cstddef>
#include <memory>

#include "boxcar/runtime/device/device.h"

namespace boxcar {

/// Memory that a GPU reads and writes by itself (page-locked): only copies from and to such memory let the host go on.
/// For the CPU, ordinary memory. Contents undefined.
class HostBuffer {
 public:
  HostBuffer() = default;
  /// Throws OutOfMemory.
  HostBuffer(Device device, std::size_t bytes);

  std::size_t size() const { return size_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_.get());
  }

 private:
  std::shared_ptr<void> data_;
  std::size_t size_ = 0;
};

}  // namespace boxcar
