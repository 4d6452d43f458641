#include "boxcar/runtime/device/cuda_errors.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/device_memory.h"
#include "boxcar/runtime/device/stream.h"

namespace boxcar {
namespace {

constexpr int kInsufficientDriver = 35, kNoDevice = 100, kInitializationError = 3;

TEST(CudaTrouble, TellsAMissingDriverFromAnOldOne) {
  EXPECT_EQ(cuda_trouble(kInsufficientDriver, "insufficient", {0, 13000}),
            "no NVIDIA driver is installed; install one that serves CUDA 13.0, or use device=cpu");
  EXPECT_EQ(cuda_trouble(kInsufficientDriver, "insufficient", {12020, 13010}),
            "the NVIDIA driver serves CUDA 12.2 and this program needs 13.1; update the driver, build boxcar with an "
            "older CUDA toolkit, or use device=cpu");
}

TEST(CudaTrouble, NamesTheRemedyOfEach) {
  EXPECT_NE(cuda_trouble(kNoDevice, "no device", {13000, 13000}).find("CUDA_VISIBLE_DEVICES"), std::string::npos);
  EXPECT_NE(cuda_trouble(46, "unavailable", {13000, 13000}).find("end the other one"), std::string::npos);
  EXPECT_NE(cuda_trouble(803, "mismatch", {13000, 13000}).find("restart the machine"), std::string::npos);
  EXPECT_EQ(cuda_trouble(kInitializationError, "initialization error", {13000, 13000}),
            "initialization error; check the NVIDIA driver with nvidia-smi, or use device=cpu");
}

TEST(HasCodeFor, FollowsTheRulesOfArchitectures) {
  EXPECT_FALSE(has_code_for("80,90a,100", 7, 5));
  EXPECT_TRUE(has_code_for("80,90a,100", 8, 0));
  EXPECT_TRUE(has_code_for("80,90a,100", 8, 9));
  EXPECT_TRUE(has_code_for("80,90a,100", 9, 0));
  EXPECT_TRUE(has_code_for("80,90a,100", 12, 0));
  EXPECT_FALSE(has_code_for("90a", 10, 0));
  EXPECT_FALSE(has_code_for("90a", 8, 0));
  EXPECT_TRUE(has_code_for("80-real", 8, 6));
  EXPECT_FALSE(has_code_for("80-real;86-real", 9, 0));
  EXPECT_FALSE(has_code_for("86", 8, 0));
  EXPECT_TRUE(has_code_for("75-virtual", 9, 0));
  EXPECT_FALSE(has_code_for("native", 9, 0));
  EXPECT_FALSE(has_code_for("", 9, 0));
}

TEST(Devices, AGpuThatIsNotThereIsRefusedWithAReason) {
  try {
    const Stream stream(Device::cuda(63));
    FAIL() << "a machine with 64 GPUs";
  } catch (const DeviceError& error) {
    const std::string text = error.what();
    EXPECT_TRUE(text.starts_with("device cuda:63 is not available: ")) << text;
    if (cuda_device_count() == 0) {
      EXPECT_NE(text.find("use device=cpu"), std::string::npos) << text;
    }
  }
}

TEST(DeviceMemory, TheCpuHasSome) {
  const DeviceMemory memory = device_memory(Device::cpu());
  EXPECT_GT(memory.free, 0u);
  EXPECT_LE(memory.free, memory.total);
}

}  // namespace
}  // namespace boxcar
