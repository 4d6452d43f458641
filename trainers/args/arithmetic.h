// The arguments `amp` and `quantize`.
#pragma once

#include "boxcar/runtime/base/dtype.h"
#include "boxcar/runtime/device/device.h"
#include "boxcar/trainers/args/setting.h"

namespace boxcar {

/// What a device makes of bf16.
enum class Bf16 {
  kNone,
  kSlower,  // it has the instructions, but those of f32 do more: a CPU for which cpu_multiplies_bf16_faster() is false
  kFaster,  // as every GPU
};
Bf16 bf16_of(const Device& device);

/// Type of a training run's activations. True: bf16 where that is faster, else f32; bf16: that wherever it can be had;
/// False or fp32: f32. Throws ArgumentError for fp16, and DeviceError for bf16 on a device without it.
DType activations_of(const Setting& amp, Bf16 bf16);

/// The same for val and predict, from `quantize`: null or 32: f32; 16: bf16, as there is no f16 arithmetic. Throws
/// DeviceError for 16 without bf16.
DType inference_type(const Setting& quantize, Bf16 bf16);

}  // namespace boxcar
