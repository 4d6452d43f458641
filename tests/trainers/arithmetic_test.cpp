#include "boxcar/trainers/args/arithmetic.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/base/error.h"
#include "trainers/expect_error.h"

namespace boxcar {
namespace {

TEST(Arithmetic, TrueTakesWhatTheCpuHas) {
  EXPECT_EQ(activations_of(true, true), DType::kBF16);
  EXPECT_EQ(activations_of(true, false), DType::kF32);
  EXPECT_EQ(activations_of(false, true), DType::kF32);
}

TEST(Arithmetic, ANamedTypeIsKeptOrRefused) {
  EXPECT_EQ(activations_of("fp32", true), DType::kF32);
  EXPECT_EQ(activations_of("bf16", true), DType::kBF16);
  EXPECT_THROW(activations_of("bf16", false), DeviceError);
  EXPECT_THROW(activations_of("fp16", true), ArgumentError);
}

TEST(Arithmetic, InferenceInSixteenBitsNeedsInstructions) {
  EXPECT_EQ(inference_type({}, true), DType::kF32);
  EXPECT_EQ(inference_type(32, true), DType::kF32);
  EXPECT_EQ(inference_type(16, true), DType::kBF16);
  EXPECT_THROW(inference_type(16, false), DeviceError);
}

}  // namespace
}  // namespace boxcar
