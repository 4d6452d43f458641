// What ThreadSanitizer finds in emulated kernels (docs/emulation.md): planted races end the process with both lines;
// correct kernels that come close to them do not.
#include <gtest/gtest.h>

#include "boxcar/runtime/device/event.h"
#include "kernels/emulation/planted_faults.h"
#include "kernels/emulation/sample_kernels.h"
#include "support/backends.h"
#include "support/tensors.h"

// ThreadSanitizer asks for its settings by this name: the first race ends the process, and the test with it; no process
// waits at its end for threads that are still running (a second, by default).
extern "C" const char* __tsan_default_options() { return "halt_on_error=1:atexit_sleep_ms=0"; }

namespace boxcar::test {
namespace {

class RaceDetector : public ::testing::Test {
 protected:
  RaceDetector() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  Stream stream_{Device::cuda()}, other_{Device::cuda()};
};
using RaceDetectorDeathTest = RaceDetector;

#define EXPECT_REPORT(statement, message) \
  EXPECT_DEATH(                           \
      {                                   \
        statement;                        \
        stream_.synchronize();            \
        other_.synchronize();             \
      },                                  \
      "ThreadSanitizer: data race(.|\n)*" message)
// Both lines are the kernel's.
#define EXPECT_RACE_IN(kernel, statement) \
  EXPECT_REPORT(statement, kernel ".*\\.cu:[0-9]+(.|\n)*Previous (.|\n)*" kernel ".*\\.cu:[0-9]+")
// One line is `function`'s; the other may be lost once its kernel has finished.
#define EXPECT_RACE_OF_STREAMS(function, statement) EXPECT_REPORT(statement, function "(.|\n)*Previous (read|write)")

TEST_F(RaceDetectorDeathTest, MissingSyncthreads) {
  const Tensor x = Tensor::zeros(stream_, {1, 1, 1, 64}), y = unwritten(stream_, {1, 1, 1, 64});
  EXPECT_RACE_IN("reverse_without_barrier_kernel", reverse_without_barrier(stream_, x.as(), y.as()));
}

TEST_F(RaceDetectorDeathTest, MissingSyncwarp) {
  const Tensor x = Tensor::zeros(stream_, {1, 1, 1, 1}), y = unwritten(stream_, {1, 1, 1, 32});
  EXPECT_RACE_IN("broadcast_without_syncwarp_kernel", broadcast_without_syncwarp(stream_, x.as(), y.as()));
}

TEST_F(RaceDetectorDeathTest, ShufflesOrderNoMemory) {
  const Tensor y = unwritten(stream_, {1, 1, 1, 32});
  EXPECT_RACE_IN("shuffle_as_barrier_kernel", shuffle_as_barrier(stream_, y.as()));
}

TEST_F(RaceDetectorDeathTest, TwoBlocksStoreToOnePlace) {
  const Tensor y = unwritten(stream_, {1, 1, 1, 32});
  EXPECT_RACE_IN("blocks_store_to_one_place_kernel", blocks_store_to_one_place(stream_, y.as()));
}

TEST_F(RaceDetectorDeathTest, LastBlockReadsWithoutFence) {
  const Tensor partial = unwritten(stream_, {1, 1, 1, 4}), sum = unwritten(stream_, {1, 1, 1, 1});
  const Tensor counter = Tensor::zeros(stream_, {1, 1, 1, 1}, DType::kI32);
  EXPECT_RACE_IN("last_block_kernel",
                 last_block_without_fence(stream_, partial.as(), counter.as<unsigned>(), sum.as()));
}

TEST_F(RaceDetectorDeathTest, MissingEventBetweenStreams) {
  const Tensor a = unwritten(stream_, {1, 1, 1, 64}), b = unwritten(stream_, {1, 1, 1, 64});
  stream_.synchronize();
  const auto write_and_read = [&] {
    fill_with(stream_, a.as(), 64, 1);
    reverse(other_, a.as(), b.as(), 64);
  };
  EXPECT_RACE_OF_STREAMS("(fill|reverse)_kernel.*\\.cu:[0-9]+", write_and_read());
}

TEST_F(RaceDetectorDeathTest, MemoryGivenBackWhileAnotherStreamReads) {
  const Tensor b = unwritten(other_, {1, 1, 1, 64});
  const auto give_back_too_early = [&] {
    {
      const Tensor a = Tensor::zeros(stream_, {1, 1, 1, 64});
      stream_.synchronize();
      reverse(other_, a.as(), b.as(), 64);
    }
    unwritten(stream_, {1, 1, 1, 64});  // the same memory, filled with NaN
  };
  EXPECT_RACE_OF_STREAMS("(EmulatedStream::fill|reverse_kernel)", give_back_too_early());
}

TEST_F(RaceDetector, EventsOrderStreams) {
  const Tensor a = unwritten(stream_, {1, 1, 1, 64}), b = unwritten(stream_, {1, 1, 1, 64});
  StreamEvent written(Device::cuda()), read(Device::cuda());
  for (int i = 0; i < 20; ++i) {
    fill_with(stream_, a.as(), 64, static_cast<float>(i));
    written.record(stream_);
    other_.wait(written);
    reverse(other_, a.as(), b.as(), 64);
    read.record(other_);
    stream_.wait(read);
  }
  EXPECT_EQ(b.to_host(other_), std::vector<float>(64, 19.0f));
}

TEST_F(RaceDetector, TheHostOrdersStreams) {
  const Tensor a = unwritten(stream_, {1, 1, 1, 64}), b = unwritten(stream_, {1, 1, 1, 64});
  fill_with(stream_, a.as(), 64, 3);
  stream_.synchronize();
  reverse(other_, a.as(), b.as(), 64);
  EXPECT_EQ(b.to_host(other_), std::vector<float>(64, 3.0f));
}

TEST_F(RaceDetector, FencesAndAtomicsOrderBlocks) {
  const Tensor partial = unwritten(stream_, {1, 1, 1, 4}), sum = unwritten(stream_, {1, 1, 1, 1});
  const Tensor counter = Tensor::zeros(stream_, {1, 1, 1, 1}, DType::kI32);
  last_block_with_fence(stream_, partial.as(), counter.as<unsigned>(), sum.as());
  EXPECT_EQ(sum.to_host(stream_), std::vector<float>{6});
}

TEST_F(RaceDetector, KernelsOfAStreamFollowEachOther) {
  const Tensor x = unwritten(stream_, {1, 1, 1, 512}), sums = unwritten(stream_, {1, 1, 1, 2});
  for (int i = 0; i < 5; ++i) {
    fill_with(stream_, x.as(), 512, static_cast<float>(i));
    block_sums(stream_, x.as(), sums.as(), 2);
  }
  EXPECT_EQ(sums.to_host(stream_), std::vector<float>(2, 1024.0f));
}

}  // namespace
}  // namespace boxcar::test
