#include "boxcar/runtime/tensor/tensor.h"

#include <gtest/gtest.h>

#include <cmath>

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

TEST(Tensor, ChannelViewsShareMemory) {
  Stream stream;
  const Tensor t = Tensor::from(stream, {1, 1, 2, 3}, {0, 1, 2, 3, 4, 5});
  const Tensor part = t.channels(1, 2);
  EXPECT_FALSE(part.packed());
  EXPECT_EQ(part.to_host(stream), (std::vector<float>{1, 2, 4, 5}));
  part.as()[0] = 9;
  EXPECT_EQ(t.to_host(stream), (std::vector<float>{0, 9, 2, 3, 4, 5}));
  EXPECT_THROW(t.channels(2, 2), ShapeError);
}

TEST(Tensor, RefusesWrongSizes) {
  Stream stream;
  EXPECT_THROW(Tensor::from(stream, {1, 1, 2, 3}, {1}), ShapeError);
  EXPECT_THROW(Tensor::empty(stream, {1, -1, 2, 3}), ShapeError);
  EXPECT_THROW(Tensor::zeros(stream, {1, 1, 2, 3}).reshaped({1, 1, 1, 5}), ShapeError);
}

TEST(TensorView, VectorWidthFollowsAddressStrideAndChannels) {
  Stream stream;
  const Tensor t = Tensor::zeros(stream, {1, 2, 2, 12});
  EXPECT_EQ(t.view().vector_width(), 4);
  EXPECT_EQ(t.channels(2, 8).view().vector_width(), 2);
  EXPECT_EQ(t.channels(4, 6).view().vector_width(), 2);
  EXPECT_EQ(t.channels(1, 4).view().vector_width(), 1);
  EXPECT_EQ(Tensor::zeros(stream, {1, 2, 2, 16}, DType::kBF16).view().vector_width(), 8);
}

TEST(MemoryPool, CountsWhatIsLive) {
  Stream stream;
  const auto before = stream.pool()->stats();
  {
    const Tensor t = Tensor::empty(stream, {1, 16, 16, 16});
    EXPECT_GE(stream.pool()->stats().live_bytes - before.live_bytes, 16u * 16 * 16 * 4);
  }
  EXPECT_EQ(stream.pool()->stats().live_bytes, before.live_bytes);
  EXPECT_GE(stream.pool()->stats().high_water_bytes, 16u * 16 * 16 * 4);
}

TEST(DType, Bfloat16RoundsToNearestEven) {
  EXPECT_EQ(float(bfloat16(1.0f)), 1.0f);
  EXPECT_EQ(bfloat16(1.00390625f).bits, 0x3f80);  // halfway, down to even
  EXPECT_EQ(bfloat16(1.01171875f).bits, 0x3f82);  // halfway, up to even
  EXPECT_TRUE(std::isnan(float(bfloat16(NAN))));
}

TEST(DType, HalfConversionsCoverEveryValue) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = half_to_float(static_cast<std::uint16_t>(bits));
    if (std::isnan(value)) continue;
    ASSERT_EQ(float_to_half(value), bits);
  }
  EXPECT_EQ(half_to_float(0x3c00), 1.0f);
  EXPECT_EQ(half_to_float(0x0001), 0x1p-24f);
  EXPECT_EQ(half_to_float(0x7bff), 65504.0f);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_half(65519.0f), 0x7bff);
  EXPECT_EQ(float_to_half(0x1p-25f), 0x0000);  // halfway to the smallest, to even
  EXPECT_EQ(float_to_half(1.5f * 0x1p-24f), 0x0002);
}

}  // namespace
}  // namespace boxcar
