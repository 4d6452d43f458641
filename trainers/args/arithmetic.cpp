#include "boxcar/trainers/args/arithmetic.h"

#include "boxcar/kernels/common/bf16_speed.h"
#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {

Bf16 bf16_of(const Device& device) {
  if (device.is_cuda() || kernels::cpu_multiplies_bf16_faster()) return Bf16::kFaster;
  return kernels::cpu_has_bf16() ? Bf16::kSlower : Bf16::kNone;
}

DType activations_of(const Setting& amp, Bf16 bf16) {
  if (amp.is_bool()) return amp.as_bool() && bf16 == Bf16::kFaster ? DType::kBF16 : DType::kF32;
  const std::string word = amp.to_text();
  if (word == "fp32") return DType::kF32;
  if (word != "bf16")
    fail<ArgumentError>("amp={} is not supported; use bf16, which needs no loss scaling, or fp32", word);
  if (bf16 == Bf16::kNone) {
    fail<DeviceError>(
        "amp=bf16 cannot be used: this CPU has no bf16 instructions; use amp=True, which takes what is faster, or "
        "fp32");
  }
  return DType::kBF16;
}

DType inference_type(const Setting& quantize, Bf16 bf16) {
  if (quantize != Setting(16)) return DType::kF32;
  if (bf16 == Bf16::kNone) {
    fail<DeviceError>("quantize=16 cannot be used: this CPU has no bf16 instructions; leave it out");
  }
  return DType::kBF16;
}

}  // namespace boxcar
