// The arguments `amp` and `quantize`.
#pragma once

#include "boxcar/runtime/base/dtype.h"
#include "boxcar/trainers/args/setting.h"

namespace boxcar {

/// Type of a training run's activations. True: bf16 where the device computes with it (every GPU does), else f32;
/// bf16: refused elsewhere; False or fp32: f32. Throws ArgumentError for fp16 and DeviceError for bf16 where that is
/// not so.
DType activations_of(const Setting& amp, bool has_bf16);

/// The same for val and predict, from `quantize`: null or 32: f32; 16: bf16, as there is no f16 arithmetic. Throws
/// DeviceError for 16 without bf16.
DType inference_type(const Setting& quantize, bool has_bf16);

}  // namespace boxcar
