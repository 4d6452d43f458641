// What this machine does at best, measured: the scale of a profile.
#pragma once

#include "boxcar/runtime/device/stream.h"

namespace boxcar::kernels {

struct MachinePeaks {
  double copy_bytes_per_second = 0;  // read and written, of a copy far larger than the caches
  double gemm_flops = 0;             // per second, of a large f32 matrix product
};

/// The best of a few runs on the stream's threads; about a third of a second.
MachinePeaks measure_machine_peaks(Stream& stream);

}  // namespace boxcar::kernels
