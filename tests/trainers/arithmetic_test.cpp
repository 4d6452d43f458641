#include "boxcar/trainers/args/arithmetic.h"

#include <gtest/gtest.h>

#include "boxcar/kernels/common/bf16_speed.h"
#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/runtime/base/error.h"
#include "trainers/expect_error.h"

namespace boxcar {
namespace {

TEST(Arithmetic, TrueTakesWhatIsFaster) {
  EXPECT_EQ(activations_of(true, Bf16::kFaster), DType::kBF16);
  EXPECT_EQ(activations_of(true, Bf16::kSlower), DType::kF32);
  EXPECT_EQ(activations_of(true, Bf16::kNone), DType::kF32);
  EXPECT_EQ(activations_of(false, Bf16::kFaster), DType::kF32);
}

TEST(Arithmetic, ADeviceHasWhatItsInstructionsAre) {
  EXPECT_EQ(bf16_of(Device::cuda()), Bf16::kFaster);
  EXPECT_EQ(bf16_of(Device::cpu()) == Bf16::kNone, !kernels::cpu_has_bf16());
  EXPECT_EQ(bf16_of(Device::cpu()) == Bf16::kFaster, kernels::cpu_multiplies_bf16_faster());
}

TEST(Arithmetic, ANamedTypeIsKeptOrRefused) {
  EXPECT_EQ(activations_of("fp32", Bf16::kFaster), DType::kF32);
  EXPECT_EQ(activations_of("bf16", Bf16::kFaster), DType::kBF16);
  EXPECT_EQ(activations_of("bf16", Bf16::kSlower), DType::kBF16);
  EXPECT_THROW(activations_of("bf16", Bf16::kNone), DeviceError);
  EXPECT_THROW(activations_of("fp16", Bf16::kFaster), ArgumentError);
}

TEST(Arithmetic, InferenceInSixteenBitsNeedsInstructions) {
  EXPECT_EQ(inference_type({}, Bf16::kFaster), DType::kF32);
  EXPECT_EQ(inference_type(32, Bf16::kFaster), DType::kF32);
  EXPECT_EQ(inference_type(16, Bf16::kFaster), DType::kBF16);
  EXPECT_EQ(inference_type(16, Bf16::kSlower), DType::kBF16);
  EXPECT_THROW(inference_type(16, Bf16::kNone), DeviceError);
}

}  // namespace
}  // namespace boxcar
