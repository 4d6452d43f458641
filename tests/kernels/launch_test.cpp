// Launching, shared memory, barriers, warp operations: on a GPU, and in emulation.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/graph.h"
#include "kernels/emulation/sample_kernels.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::test {
namespace {

class Launch : public ::testing::Test {
 protected:
  void SetUp() override {
    if (cuda_device_count() == 0) GTEST_SKIP() << "no CUDA device";
  }
  const Device device_ = Device::cuda();
};

TEST_F(Launch, EveryThreadOfEveryBlockRunsOnce) {
  for (const int n : {0, 1, 255, 256, 257, 5000}) {
    const auto values = run_on(device_, [&](Stream& stream) {
      const Tensor x = unwritten(stream, {1, 1, 1, n});
      fill_with(stream, x.as(), n, 4.5f);
      return x.to_host(stream);
    });
    EXPECT_EQ(values, std::vector<float>(static_cast<std::size_t>(n), 4.5f));
  }
}

TEST_F(Launch, SharedMemoryAndShufflesSum) {
  std::vector<float> values(512);
  std::iota(values.begin(), values.end(), 0.0f);
  const auto sums = run_on(device_, [&](Stream& stream) {
    const Tensor x = Tensor::from(stream, {1, 1, 1, 512}, values), y = unwritten(stream, {1, 1, 1, 2});
    block_sums(stream, x.as(), y.as(), 2);
    return y.to_host(stream);
  });
  EXPECT_EQ(sums, (std::vector<float>{255 * 128, 255 * 128 + 256 * 256}));
}

TEST_F(Launch, DynamicSharedMemory) {
  for (const int n : {32, 96, 1024}) {
    std::vector<float> values = random_values(n, 3);
    const auto reversed = run_on(device_, [&](Stream& stream) {
      const Tensor x = Tensor::from(stream, {1, 1, 1, n}, values), y = unwritten(stream, {1, 1, 1, n});
      reverse(stream, x.as(), y.as(), n);
      return y.to_host(stream);
    });
    EXPECT_EQ(reversed, std::vector<float>(values.rbegin(), values.rend()));
  }
}

TEST_F(Launch, BallotsAndIntegerAtomics) {
  const std::vector<float> values = random_values(1000, 5);
  const auto count = run_on(device_, [&](Stream& stream) {
    const Tensor x = Tensor::from(stream, {1, 1, 1, 1000}, values);
    const Tensor counts = Tensor::zeros(stream, {1, 1, 1, 1}, DType::kI32);
    count_positive(stream, x.as(), counts.as<int>(), 1000);
    return counts.to_host(stream);
  });
  EXPECT_EQ(count[0], static_cast<float>(std::count_if(values.begin(), values.end(), [](float v) { return v > 0; })));
}

TEST_F(Launch, ShufflesReadTheLaneThatCudaDocuments) {
  const auto out = run_on(device_, [&](Stream& stream) {
    const Tensor y = Tensor::zeros(stream, {1, 1, 1, 32}, DType::kI32);
    shuffle_directions(stream, y.as<int>());
    return y.to_host(stream);
  });
  for (int lane = 0; lane < 32; ++lane) {
    const int up = lane % 8 < 3 ? lane : lane - 3, down = lane % 16 > 12 ? lane : lane + 3;
    const int halves = lane < 16 ? lane ^ 1 : -(lane ^ 2);
    EXPECT_EQ(out[static_cast<std::size_t>(lane)],
              static_cast<float>(3 + 100 * up + 10000 * down + 1000000 * (lane ^ 5) + halves + 1));
  }
}

TEST_F(Launch, RefusesGridsThatCudaDoesNotTake) {
  Stream stream(device_);
  EXPECT_THROW(reverse(stream, nullptr, nullptr, 33), DeviceError);
  EXPECT_THROW(reverse(stream, nullptr, nullptr, 2048), DeviceError);
  EXPECT_THROW(fill_with(stream, nullptr, std::int64_t{1} << 41, 0), ShapeError);
}

TEST_F(Launch, CapturedWorkRunsOnReplayOnly) {
  Stream stream(device_);
  const Tensor x = Tensor::zeros(stream, {1, 1, 1, 3});
  const Tensor y = Tensor::zeros(stream, {1, 1, 1, 3});
  stream.synchronize();
  stream.begin_capture();
  fill_with(stream, x.as(), 3, 2.0f);
  stream.copy(y.as(), x.as(), 3 * sizeof(float));
  EXPECT_THROW(stream.synchronize(), DeviceError);
  Graph graph = stream.end_capture();
  EXPECT_EQ(graph.kernels(), 1);
  EXPECT_EQ(y.to_host(stream), std::vector<float>(3, 0.0f));
  graph.launch(stream);
  EXPECT_EQ(y.to_host(stream), std::vector<float>(3, 2.0f));
  fill_with(stream, x.as(), 3, 7.0f);
  graph.launch(stream);
  EXPECT_EQ(x.to_host(stream), std::vector<float>(3, 2.0f));
}

}  // namespace
}  // namespace boxcar::test
