// What the emulation of CUDA finds: each planted fault ends the process with a message, or
// makes runs differ. Tests of correct kernels are in launch_test.cpp.
#include <gtest/gtest.h>

#include "boxcar/runtime/device/backend.h"
#include "kernels/emulation/planted_faults.h"
#include "kernels/emulation/sample_kernels.h"
#include "support/backends.h"
#include "support/tensors.h"

#if defined(__SANITIZE_ADDRESS__)
#define BOXCAR_NEED_SANITIZERS()
#else
#define BOXCAR_NEED_SANITIZERS() GTEST_SKIP() << "found by AddressSanitizer or UBSan; use the preset check"
#endif

namespace boxcar::test {
namespace {

class EmulationDeathTest : public ::testing::Test {
 protected:
  EmulationDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  Stream stream_{Device::cuda()};
};

#define EXPECT_FOUND(statement, message) \
  EXPECT_DEATH(                          \
      {                                  \
        statement;                       \
        stream_.synchronize();           \
      },                                 \
      message)

TEST_F(EmulationDeathTest, StorePastTheEnd) {
  BOXCAR_NEED_SANITIZERS();
  const Tensor x = unwritten(stream_, {1, 1, 1, 33});
  EXPECT_FOUND(store_past_the_end(stream_, x.as(), 33), "heap-buffer-overflow.*\n.*WRITE of size 4");
}

TEST_F(EmulationDeathTest, PastSharedMemory) {
  BOXCAR_NEED_SANITIZERS();
  const Tensor x = unwritten(stream_, {1, 1, 1, 32});
  EXPECT_FOUND(read_past_shared(stream_, x.as()), "use-after-poison");
  EXPECT_FOUND(write_past_dynamic_shared(stream_, x.as()), "use-after-poison");
}

TEST_F(EmulationDeathTest, MisalignedVector) {
  BOXCAR_NEED_SANITIZERS();
  const Tensor x = Tensor::zeros(stream_, {1, 1, 1, 64}), y = unwritten(stream_, {1, 1, 1, 32});
  EXPECT_FOUND(load_misaligned(stream_, x.as(), y.as()), "misaligned address");
}

TEST_F(EmulationDeathTest, UseAfterFree) {
  BOXCAR_NEED_SANITIZERS();
  float* gone = Tensor::zeros(stream_, {1, 1, 1, 32}).as();
  stream_.synchronize();
  EXPECT_FOUND(fill_with(stream_, gone, 32, 1), "heap-use-after-free");
}

TEST_F(EmulationDeathTest, DivergentBarriers) {
  EXPECT_FOUND(barrier_in_both_branches(stream_),
               "kernel barrier_in_both_branches, block \\(0,0,0\\), thread .*divergent __syncthreads: thread "
               "\\(0,0,0\\) waits in __syncthreads at .*planted_faults.cu:[0-9]+, but thread \\(1,0,0\\)");
  EXPECT_FOUND(return_before_barrier(stream_), "divergent barrier: .*planted_faults.cu:[0-9]+.*has returned");
}

TEST_F(EmulationDeathTest, DivergentWarpOperations) {
  EXPECT_FOUND(shuffle_in_branch(stream_), "a warp operation at .*planted_faults.cu:[0-9]+.*has returned");
  EXPECT_FOUND(shuffle_from_unnamed_lane(stream_), "reads lane 20, which the mask 0xffff does not name");
}

TEST_F(EmulationDeathTest, TooMuchSharedMemory) {
  EXPECT_FOUND(declare_too_much(stream_), "kernel declare_too_much.*more than 48 KB");
}

TEST(Emulation, MissingBarriersMakeRunsDiffer) {
  const std::vector<float> values = random_values(64, 9);
  EXPECT_NE("", difference_between_runs(Device::cuda(), [&](Stream& stream) {
              const Tensor x = Tensor::from(stream, {1, 1, 1, 64}, values), y = unwritten(stream, {1, 1, 1, 64});
              reverse_without_barrier(stream, x.as(), y.as());
              return y.to_host(stream);
            }));
  EXPECT_NE("", difference_between_runs(Device::cuda(), [&](Stream& stream) {
              const Tensor x = Tensor::from(stream, {1, 1, 1, 1}, {3}), y = unwritten(stream, {1, 1, 1, 32});
              broadcast_without_syncwarp(stream, x.as(), y.as());
              return y.to_host(stream);
            }));
}

TEST(Emulation, UninitialisedSharedMemoryMakesRunsDiffer) {
  EXPECT_NE("", difference_between_runs(Device::cuda(), [&](Stream& stream) {
              const Tensor y = unwritten(stream, {1, 1, 1, 32});
              read_uninitialised(stream, y.as());
              return y.to_host(stream);
            }));
}

TEST(Emulation, OrderOfBlocksMakesRunsDiffer) {
  EXPECT_NE("", difference_between_runs(Device::cuda(), [&](Stream& stream) {
              const Tensor sum = Tensor::zeros(stream, {1, 1, 1, 1});
              order_of_blocks(stream, sum.as());
              return sum.to_host(stream);
            }));
}

TEST(Emulation, BlocksCanShareCpuThreads) {
  Stream stream(Device::cuda());
  stream.backend().emulation()->workers = 3;
  const std::vector<float> values = random_values(40 * 256, 2);
  const Tensor x = Tensor::from(stream, {1, 1, 1, 40 * 256}, values);
  const Tensor many = unwritten(stream, {1, 1, 1, 40}), one = unwritten(stream, {1, 1, 1, 40});
  block_sums(stream, x.as(), many.as(), 40);
  stream.backend().emulation()->workers = 1;
  block_sums(stream, x.as(), one.as(), 40);
  EXPECT_EQ(many.to_host(stream), one.to_host(stream));
}

// Work runs late, and other streams' may overtake it: over 100 tries a missing event and a host
// buffer written too early both show, and neither always.
TEST(Emulation, MissingEventsShow) {
  Stream writer(Device::cuda()), reader(Device::cuda());
  const Tensor a = unwritten(writer, {1, 1, 1, 1}), b = unwritten(reader, {1, 1, 1, 1});
  int late = 0;
  for (int i = 0; i < 100; ++i) {
    fill_with(writer, a.as(), 1, static_cast<float>(i));
    reader.copy(b.as(), a.as(), sizeof(float));
    late += b.to_host(reader)[0] != static_cast<float>(i);
  }
  EXPECT_GT(late, 10);
  EXPECT_LT(late, 90);
}

TEST(Emulation, HostBuffersReusedTooEarlyShow) {
  Stream stream(Device::cuda());
  const Tensor a = unwritten(stream, {1, 1, 1, 1});
  int wrong = 0;
  for (int i = 0; i < 100; ++i) {
    float buffer = 1;
    stream.copy(a.as(), &buffer, sizeof buffer);
    buffer = 2;
    wrong += a.to_host(stream)[0] != 1;
  }
  EXPECT_GT(wrong, 50);
}

}  // namespace
}  // namespace boxcar::test
