// The arguments `amp` and `quantize`.
#pragma once

#include "boxcar/runtime/base/dtype.h"
#include "boxcar/trainers/args/setting.h"

namespace boxcar {

/// Type of a training run's activations. True: bf16 where the CPU has instructions for it, else f32; bf16: refused
/// elsewhere; False or fp32: f32. Throws ArgumentError for fp16 and DeviceError for bf16 without instructions.
DType activations_of(const Setting& amp, bool cpu_has_bf16);

/// The same for val and predict, from `quantize`: null or 32: f32; 16: bf16, as the CPU has no f16 arithmetic. Throws
/// DeviceError for 16 without bf16 instructions.
DType inference_type(const Setting& quantize, bool cpu_has_bf16);

}  // namespace boxcar
