// What ops tell a profile about their cost.
#include <gtest/gtest.h>

#include <typeinfo>

#include "boxcar/kernels/activation/activation.h"
#include "boxcar/kernels/attention/attention.h"
#include "boxcar/kernels/conv/conv.h"
#include "boxcar/kernels/loss/detection_loss.h"
#include "boxcar/kernels/nms/nms.h"
#include "boxcar/kernels/norm_act/norm_act.h"
#include "boxcar/kernels/optim/optim.h"
#include "boxcar/kernels/render/render_table.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/graph.h"
#include "boxcar/runtime/profile/profiler.h"
#include "support/backends.h"
#include "support/tensors.h"

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

TEST(OpCost, ConvolutionCountsTheWeightsThatItReads) {
  Stream stream;
  const Tensor x = Tensor::zeros(stream, {1, 4, 4, 2}, DType::kBF16), w = Tensor::zeros(stream, {3, 3, 3, 2});
  const Tensor y = Tensor::zeros(stream, {1, 4, 4, 3}, DType::kBF16),
               rounded = Tensor::zeros(stream, w.shape(), x.dtype());
  const ConvOptions options{.kernel = 3, .padding = 1};
  EXPECT_EQ(cost_of(ConvForwardArgs{x, w, nullptr, y, options}).bytes, 2 * (32 + 48) + 4 * 54);
  EXPECT_EQ(cost_of(ConvForwardArgs{.x = x, .w = w, .y = y, .options = options, .rounded = rounded}).bytes,
            2 * (32 + 48 + 54));
  EXPECT_EQ(cost_of(ConvBackwardInputArgs{y, w, x, options, rounded}).bytes, 2 * (32 + 48 + 54));
}

TEST(OpCost, NormReadsAndWritesOnceWhateverTheStatistics) {
  Stream stream;
  const Tensor z = Tensor::zeros(stream, {1, 2, 2, 4}, DType::kBF16),
               y = Tensor::zeros(stream, {1, 2, 2, 4}, DType::kBF16);
  NormActForwardArgs args{.z = z, .norm = {}, .act = {}, .residual = {}, .to = {{{0, 4}, y}}};
  EXPECT_EQ(cost_of(args).bytes, 2 * 16 * 2);
  args.norm.batch_stats = false;
  EXPECT_EQ(cost_of(args).bytes, 2 * 16 * 2);
  EXPECT_EQ(cost_of(BatchStatisticsArgs{z, {}}).bytes, 2 * 16);
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

TEST(OpCost, ADryRunCountsWithoutComputing) {
  Stream stream(Device::cpu(), {.dry_run = true});
  Profiler profiler;
  stream.set_profiler(&profiler);
  const Tensor x = test::tensor_of(stream, {1, 1, 2, 1}, {1, 2}), y = test::tensor_of(stream, {1, 1, 2, 1}, {7, 8});
  activation_forward(stream, {x, y, {}});
  sum_pieces(stream, {{{{0, 1}, x}, {{0, 1}, x}}, y});
  EXPECT_EQ(y.to_host(stream), (std::vector<float>{7, 8}));
  const auto rows = profiler.rows();
  ASSERT_EQ(rows.size(), 2u);
  for (const Profiler::Row& row : rows) EXPECT_EQ(row.calls, 1);
  const Tensor wrong = Tensor::zeros(stream, {1, 1, 3, 1});
  EXPECT_THROW(activation_forward(stream, {x, wrong, {}}), ShapeError);
  EXPECT_THROW(non_max_suppression(stream, Tensor::zeros(stream, {1, 1, 1, 5}), {}), DeviceError);
}

/// Calls an op while the stream records; expects as many kernels as the op's cost says.
template <class Op, class Args>
void expect_launches(Stream& stream, Op&& op, const Args& args) {
  stream.synchronize();
  stream.begin_capture();
  op(stream, args);
  EXPECT_EQ(stream.end_capture().kernels(), cost_of(args).launches) << typeid(Args).name();
}

class LaunchCount : public test::BackendTest {};

TEST_P(LaunchCount, IsWhatTheKernelsNeed) {
  if (!device().is_cuda()) GTEST_SKIP() << "the CPU launches nothing";
  Stream& s = stream();
  const Shape shape{2, 3, 3, 4};
  const auto some = [&] { return test::tensor_of(s, shape, test::random_values(shape.count(), 1)); };
  const Tensor z = some(), y = some(), dz = some(), saved = Tensor::zeros(s, {1, 1, 2, 4});
  const Tensor gamma = Tensor::zeros(s, {1, 1, 1, 4}), beta = Tensor::zeros(s, {1, 1, 1, 4});
  const Tensor mean = Tensor::zeros(s, {1, 1, 1, 4}), var = Tensor::zeros(s, {1, 1, 1, 4});
  const GradPiece piece{{0, 4}, y};
  for (const bool batch_stats : {true, false}) {
    const Norm norm{gamma.as(), beta.as(), mean.as(), var.as(), 1e-3f, 0.03f, batch_stats};
    expect_launches(s, norm_act_forward, NormActForwardArgs{z, norm, {}, {}, {{{0, 4}, y}}, saved.as()});
    for (const GradPieces& pieces : {GradPieces{piece}, GradPieces{piece, piece, piece}}) {
      NormActBackwardArgs args{z, norm, saved.as(), {}, pieces, dz};
      expect_launches(s, norm_act_backward, args);
      args.dgamma = gamma.as();
      expect_launches(s, norm_act_backward, args);
    }
  }
  const BatchStatistics statistics{saved.as()};
  expect_launches(s, batch_statistics, BatchStatisticsArgs{z, statistics});
  const Tensor filters = Tensor::zeros(s, {4, 1, 1, 4}), image = Tensor::zeros(s, {2, 3, 3, 3});
  const Tensor of_images = Tensor::zeros(s, {4, 1, 1, 3}), of_channels = Tensor::zeros(s, {1, 1, 1, 4});
  for (const BatchStatistics& to : {BatchStatistics{}, statistics}) {
    expect_launches(s, conv_forward, ConvForwardArgs{.x = z, .w = filters, .y = y, .options = {}, .statistics = to});
    expect_launches(s, conv_forward,
                    ConvForwardArgs{.x = image, .w = of_images, .y = y, .options = {}, .statistics = to});
    expect_launches(s, conv_forward,
                    ConvForwardArgs{.x = z, .w = of_channels, .y = y, .options = {.groups = 4}, .statistics = to});
  }
  const DetectionLevel level{z, y, 8.0f};
  const Tensor target = Tensor::zeros(s, {1, 1, 1, 6}), total = Tensor::zeros(s, {});
  DetectionLossArgs loss{.levels = {level}, .reg_max = 1, .targets = target, .total = total};
  expect_launches(s, detection_loss, loss);
  loss.assign.topk2 = 5;
  loss.grads = {{dz, some()}};
  expect_launches(s, detection_loss, loss);
  expect_launches(s, scale_loss_gradients, ScaleLossGradientsArgs{loss.grads, total});
  const Tensor o = Tensor::zeros(s, {2, 3, 3, 2}), softmax = Tensor::zeros(s, {2, 1, 9, 9});
  const AttentionShape heads{1, 1, 2};
  expect_launches(s, attention_forward, AttentionForwardArgs{z, o, o, softmax.as(), heads});
  expect_launches(s, attention_backward, AttentionBackwardArgs{z, softmax.as(), o, o, dz, heads});
  const std::vector<FlatRange> ranges{{0, 3}, {5, 40}};
  const FlatBlocks blocks(s, ranges);
  const Tensor coefficients = Tensor::zeros(s, {1, 1, 1, sizeof(StepCoefficients)}, DType::kU8);
  const Tensor found = Tensor::zeros(s, {1, 1, 1, sizeof(GradientNorm)}, DType::kU8);
  auto* const step = coefficients.as<StepCoefficients>();
  expect_launches(s, set_coefficients, SetCoefficientsArgs{{}, step});
  expect_launches(s, gradient_norm, GradientNormArgs{blocks, z.as(), step, found.as<GradientNorm>()});
  expect_launches(s, optimizer_step, OptimizerStepArgs{OptimKind::kSgd, blocks, step, y.as(), z.as(), dz.as()});
  expect_launches(s, sum_pieces, SumPiecesArgs{{piece, piece}, dz});
  expect_launches(s, activation_forward, ActivationForwardArgs{z, y, {}});
  expect_launches(s, activation_backward, ActivationBackwardArgs{z, y, dz, {}});
  const Tensor table = Tensor::zeros(s, {1, 1, 1, 2 * int(sizeof(RenderPlan))}, DType::kU8);
  const Tensor pictures = Tensor::zeros(s, {2, 9, 33, 3}, DType::kU8);
  const std::vector<RenderPlan> plans(2);
  expect_launches(s, render, render_args_at(table.view().data, {plans, {}, pictures}));
}

INSTANTIATE_ON_BACKENDS(LaunchCount);

}  // namespace
}  // namespace boxcar::kernels
