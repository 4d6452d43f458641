// The argument `device`.
#pragma once

#include <vector>

#include "boxcar/runtime/device/device.h"
#include "boxcar/trainers/args/setting.h"

namespace boxcar {

/// Where a run shall take place, as asked for; whether the device exists is not checked here.
struct DeviceChoice {
  enum class Kind { automatic, cpu, cuda } kind = Kind::automatic;
  /// GPU numbers for Kind::cuda, in the order given; -1 stands for "an idle one".
  std::vector<int> gpus;
  bool operator==(const DeviceChoice&) const = default;
};

/// Reads null or '' (automatic), cpu, 0, "0,1", [0, 1], cuda, cuda:0, "cuda:0,1" and -1. Throws ArgumentError for
/// anything else, and for a GPU named twice.
DeviceChoice parse_device_choice(const Setting& value);

/// The device of a run. Automatic is the CPU, as long as GPUs are a preview. Throws DeviceError for several GPUs and
/// for "an idle one"; whether the GPU exists shows when a stream is made for it.
Device chosen_device(const Setting& value);

}  // namespace boxcar
