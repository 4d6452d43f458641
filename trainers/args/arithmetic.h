// The argument `amp`.
#pragma once

#include "boxcar/runtime/base/dtype.h"
#include "boxcar/trainers/args/setting.h"

namespace boxcar {

/// Type of a training run's activations. True: bf16 where the CPU has instructions for it, else f32; bf16: refused
/// elsewhere; False or fp32: f32. Throws ArgumentError for fp16 and DeviceError for bf16 without instructions.
DType activations_of(const Setting& amp, bool cpu_has_bf16);

}  // namespace boxcar
