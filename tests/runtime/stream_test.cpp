#include "boxcar/runtime/device/stream.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/event.h"
#include "boxcar/runtime/device/graph.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::test {
namespace {

class StreamTest : public BackendTest {};

TEST(Stream, ADryRunIsMadeOnTheCpu) {
  Stream stream(Device::cpu(), {.dry_run = true});
  EXPECT_TRUE(stream.dry_run());
  EXPECT_EQ(tensor_of(stream, {1, 1, 1, 2}, {4, 5}).to_host(stream), (std::vector<float>{4, 5}));
  EXPECT_THROW(Stream(Device::cuda(), {.dry_run = true}), DeviceError);
}

TEST_P(StreamTest, CopiesAndFillsInOrder) {
  const Tensor a = tensor_of(stream(), {1, 1, 1, 3}, {1, 2, 3});
  const Tensor b = unwritten(stream(), {1, 1, 1, 3});
  stream().copy(b.as(), a.as(), 3 * sizeof(float));
  stream().fill(a.as(), 0, 3 * sizeof(float));
  EXPECT_EQ(b.to_host(stream()), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(a.to_host(stream()), (std::vector<float>{0, 0, 0}));
}

TEST_P(StreamTest, MemoryMayBeFreedBeforeWorkOnItIsDone) {
  const Tensor kept = unwritten(stream(), {1, 1, 1, 4});
  for (int i = 0; i < 100; ++i) {
    const Tensor temporary = Tensor::zeros(stream(), {1, 1, 1, 4});
    stream().copy(kept.as(), temporary.as(), 4 * sizeof(float));
  }
  EXPECT_EQ(kept.to_host(stream()), std::vector<float>(4, 0.0f));
}

TEST_P(StreamTest, EventsOrderStreams) {
  Stream other(device());
  StreamEvent event(device());
  event.synchronize();  // never recorded: at once
  other.wait(event);
  const Tensor a = tensor_of(stream(), {1, 1, 1, 2}, {0, 0}), b = tensor_of(stream(), {1, 1, 1, 2}, {0, 0});
  const float values[] = {5, 6};
  stream().copy(a.as(), values, sizeof values);
  event.record(stream());
  other.wait(event);
  other.copy(b.as(), a.as(), sizeof values);
  EXPECT_EQ(b.to_host(other), (std::vector<float>{5, 6}));
  event.synchronize();
  EXPECT_EQ(a.to_host(stream()), (std::vector<float>{5, 6}));
}

TEST_P(StreamTest, TimedEventsMeasureWhatLiesBetween) {
  StreamEvent begin(device(), {.timed = true}), end(device(), {.timed = true}), untimed(device());
  EXPECT_THROW(end.milliseconds_since(begin), DeviceError);  // not recorded
  const Tensor x = unwritten(stream(), {1, 64, 64, 4});
  begin.record(stream());
  stream().fill(x.as(), 0, 64 * 64 * 4 * sizeof(float));
  end.record(stream());
  untimed.record(stream());
  EXPECT_GE(end.milliseconds_since(begin), 0.0);
  EXPECT_LE(begin.milliseconds_since(end), 0.0);
  EXPECT_THROW(untimed.milliseconds_since(begin), DeviceError);
}

TEST_P(StreamTest, EndOfCaptureNeedsABeginning) { EXPECT_THROW(stream().end_capture(), DeviceError); }

TEST_P(StreamTest, OnlyCudaCaptures) {
  if (device().is_cuda()) {
    stream().begin_capture();
    EXPECT_THROW(stream().begin_capture(), DeviceError);
    EXPECT_THROW(stream().synchronize(), DeviceError);
    EXPECT_EQ(stream().end_capture().kernels(), 0);
  } else {
    EXPECT_THROW(stream().begin_capture(), DeviceError);
  }
}

TEST(Device, RefusesAnAbsentOne) {
  EXPECT_THROW(Stream{Device::cuda(1000)}, DeviceError);
  EXPECT_THROW(Stream{Device::cuda(-1)}, DeviceError);
  EXPECT_THROW(StreamEvent{Device::cuda(1000)}, DeviceError);
}

INSTANTIATE_ON_BACKENDS(StreamTest);

}  // namespace
}  // namespace boxcar::test
