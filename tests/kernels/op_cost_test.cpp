// What ops tell a profile about their cost.
#include <gtest/gtest.h>

#include "boxcar/kernels/conv/conv.h"
#include "boxcar/kernels/norm_act/norm_act.h"
#include "boxcar/runtime/profile/profiler.h"

namespace boxcar::kernels {
namespace {

TEST(OpCost, ConvolutionCountsOperandsOnceAndMultiplyAddsTwice) {
  Stream stream;
  const Tensor x = Tensor::zeros(stream, {1, 4, 4, 2}), w = Tensor::zeros(stream, {3, 3, 3, 2});
  const Tensor y = Tensor::zeros(stream, {1, 4, 4, 3});
  const OpCost cost = cost_of(ConvForwardArgs{x, w, nullptr, y, {.kernel = 3, .padding = 1}});
  EXPECT_EQ(cost.bytes, 4 * (32 + 54 + 48));
  EXPECT_EQ(cost.flops, 2 * 48 * 2 * 9);
}

TEST(OpCost, NormReadsTwiceForTheStatisticsOfTheBatch) {
  Stream stream;
  const Tensor z = Tensor::zeros(stream, {1, 2, 2, 4}, DType::kBF16),
               y = Tensor::zeros(stream, {1, 2, 2, 4}, DType::kBF16);
  NormActForwardArgs args{.z = z, .norm = {}, .act = {}, .residual = {}, .to = {{{0, 4}, y}}};
  EXPECT_EQ(cost_of(args).bytes, 2 * 16 * 3);
  args.norm.batch_stats = false;
  EXPECT_EQ(cost_of(args).bytes, 2 * 16 * 2);
}

TEST(OpCost, AStreamsProfilerSeesItsOps) {
  Stream stream;
  Profiler profiler;
  stream.set_profiler(&profiler);
  const Tensor x = Tensor::zeros(stream, {1, 2, 2, 1}), w = Tensor::zeros(stream, {1, 1, 1, 1});
  const Tensor y = Tensor::zeros(stream, {1, 2, 2, 1});
  conv_forward(stream, {x, w, nullptr, y, {}});
  stream.set_profiler(nullptr);
  conv_forward(stream, {x, w, nullptr, y, {}});
  const auto rows = profiler.rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].name, "conv_forward");
  EXPECT_EQ(rows[0].calls, 1);
  EXPECT_EQ(rows[0].cost.flops, 8);
}

}  // namespace
}  // namespace boxcar::kernels
