// Device memory for host code that looks at it or fills it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "boxcar/runtime/device/stream.h"

namespace boxcar {

/// Floats of a stream's device: on the CPU the memory itself, of a GPU a copy. Waits for the stream.
class HostFloats {
 public:
  HostFloats(Stream& stream, float* data, std::size_t count);

  std::span<float> values() { return values_; }
  std::span<const float> values() const { return values_; }
  /// Brings what was changed to the device.
  void write_back();

 private:
  Stream& stream_;
  float* data_;
  std::vector<float> copy_;
  std::span<float> values_;
};

}  // namespace boxcar
