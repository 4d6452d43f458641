#include "boxcar/runtime/device/recorded_work.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/device/event.h"
#include "boxcar/runtime/memory/host_buffer.h"
#include "boxcar/runtime/tensor/host_floats.h"
#include "boxcar/runtime/tensor/tensor.h"
#include "support/backends.h"

namespace boxcar::test {
namespace {

class RecordedWorkTest : public testing::Test {
 protected:
  void SetUp() override {
    if (devices().back() == Device::cpu()) GTEST_SKIP() << "there is no CUDA device";
    stream_ = std::make_unique<Stream>(devices().back());
    memory_ = std::make_shared<MemoryPool>(stream_->device());
  }

  std::unique_ptr<Stream> stream_;
  std::shared_ptr<MemoryPool> memory_;
};

using Way = RecordedWork::Way;

// y becomes x by way of temporary memory, which is given back before the recording ends.
TEST_F(RecordedWorkTest, RunsTwiceThenRecordsThenRepeats) {
  const Shape shape{1, 1, 1, 3};
  const Tensor x = Tensor::zeros(*stream_, shape), y = Tensor::zeros(*stream_, shape);
  const auto work = [&] {
    const Tensor between = Tensor::empty(*stream_, shape);
    stream_->copy(between.view().data, x.view().data, 12);
    stream_->copy(y.view().data, between.view().data, 12);
  };
  RecordedWork recorded;
  const Way expected[] = {Way::kIssued, Way::kIssued, Way::kRecorded, Way::kReplayed, Way::kReplayed};
  for (int i = 0; i < 5; ++i) {
    HostFloats in(*stream_, x.as(), 3);
    for (float& v : in.values()) v = static_cast<float>(i + 1);
    in.write_back();
    const MemoryStats before = memory_->stats();
    EXPECT_EQ(recorded.run(*stream_, memory_, work), expected[i]) << i;
    if (expected[i] == Way::kReplayed) {
      EXPECT_EQ(memory_->stats().system_allocations, before.system_allocations);
    }
    EXPECT_EQ(memory_->stats().live_bytes, before.live_bytes);
    EXPECT_EQ(y.to_host(*stream_), std::vector<float>(3, static_cast<float>(i + 1)));
  }
  recorded.forget();
  EXPECT_EQ(recorded.run(*stream_, memory_, work), Way::kRecorded);
}

TEST_F(RecordedWorkTest, RefusesWorkThatWaits) {
  const Tensor x = Tensor::zeros(*stream_, {});
  const auto work = [&] { static_cast<void>(x.to_host(*stream_)); };
  RecordedWork recorded;
  recorded.run(*stream_, memory_, work);
  recorded.run(*stream_, memory_, work);
  EXPECT_THROW(recorded.run(*stream_, memory_, work), CannotRecord);
  RecordedWork::issue(*stream_, memory_, work);
  EXPECT_FALSE(recorded.recorded());
}

TEST_F(RecordedWorkTest, EventsTellWithoutWaiting) {
  StreamEvent event(stream_->device());
  EXPECT_TRUE(event.done());
  HostBuffer host(stream_->device(), 4);
  const Tensor x = Tensor::zeros(*stream_, {});
  stream_->copy(host.as<float>(), x.view().data, 4);
  event.record(*stream_);
  int asked = 0;
  while (!event.done()) ASSERT_LT(++asked, 100'000'000);
  EXPECT_EQ(*host.as<float>(), 0.0f);
}

TEST_F(RecordedWorkTest, PoolsBelongToTheirDevice) {
  EXPECT_THROW(stream_->exchange_pool(std::make_shared<MemoryPool>(Device::cpu())), DeviceError);
  EXPECT_THROW(stream_->exchange_pool(nullptr), DeviceError);
}

}  // namespace
}  // namespace boxcar::test
