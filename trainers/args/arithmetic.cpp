#include "boxcar/trainers/args/arithmetic.h"

#include "boxcar/runtime/base/error.h"

namespace boxcar {

DType activations_of(const Setting& amp, bool has_bf16) {
  if (amp.is_bool()) return amp.as_bool() && has_bf16 ? DType::kBF16 : DType::kF32;
  const std::string word = amp.to_text();
  if (word == "fp32") return DType::kF32;
  if (word != "bf16")
    fail<ArgumentError>("amp={} is not supported; use bf16, which needs no loss scaling, or fp32", word);
  if (!has_bf16) {
    fail<DeviceError>(
        "amp=bf16 cannot be used: this CPU has no bf16 instructions; use amp=True, which takes what there is, or fp32");
  }
  return DType::kBF16;
}

DType inference_type(const Setting& quantize, bool has_bf16) {
  if (quantize != Setting(16)) return DType::kF32;
  if (!has_bf16) {
    fail<DeviceError>("quantize=16 cannot be used: this CPU has no bf16 instructions; leave it out");
  }
  return DType::kBF16;
}

}  // namespace boxcar
