// A convolution of inference with all that follows it, beside its parts.
#include "boxcar/kernels/conv/conv_act.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/simd.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

// Channels `of` of the result go to a tensor of `width` channels, from `at` on.
struct Slice {
  Range of;
  int at, width;
};

struct Layer {
  const char* name;
  Shape x;
  int out_channels;
  ConvOptions options;
  ActKind act;
  bool adds_residual;
  std::vector<Slice> slices;

  Shape y() const { return conv_output_shape(x, out_channels, options); }
};

const std::vector<Layer> kLayers{
    {"Pointwise", {2, 5, 7, 32}, 48, {}, ActKind::kSilu, false, {{{0, 48}, 0, 48}}},
    {"PointwiseToSlicesThatOverlap",
     {1, 9, 7, 16},
     64,
     {},
     ActKind::kSilu,
     false,
     {{{0, 64}, 32, 112}, {{32, 32}, 0, 32}, {{48, 16}, 1, 19}}},
    {"PointwiseWithResidual", {1, 40, 30, 48}, 16, {}, ActKind::kRelu, true, {{{0, 16}, 16, 48}}},
    {"PointwiseWithoutActivation", {3, 4, 4, 16}, 32, {}, ActKind::kIdentity, false, {{{16, 16}, 0, 16}}},
    {"ThreeByThree", {2, 9, 7, 16}, 32, {.kernel = 3, .padding = 1}, ActKind::kSilu, false, {{{0, 32}, 0, 32}}},
    {"ThreeByThreeWithResidualToSlices",
     {2, 8, 12, 32},
     32,
     {.kernel = 3, .padding = 1},
     ActKind::kSilu,
     true,
     {{{0, 32}, 64, 96}, {{0, 32}, 0, 32}, {{16, 16}, 0, 20}}},
    {"ThreeByThreeOfStrideTwo",
     {1, 11, 9, 16},
     16,
     {.kernel = 3, .stride = 2, .padding = 1},
     ActKind::kRelu,
     false,
     {{{0, 16}, 4, 24}}},
    {"Depthwise",
     {2, 9, 13, 24},
     24,
     {.kernel = 3, .padding = 1, .groups = 24},
     ActKind::kSilu,
     false,
     {{{0, 24}, 5, 40}}},
    {"DepthwiseWithResidual",
     {1, 6, 5, 16},
     16,
     {.kernel = 5, .padding = 2, .groups = 16},
     ActKind::kRelu,
     true,
     {{{0, 16}, 0, 16}, {{0, 8}, 0, 8}}},
    {"FewChannels",
     {2, 9, 7, 3},
     19,
     {.kernel = 3, .stride = 2, .padding = 1},
     ActKind::kSilu,
     true,
     {{{0, 12}, 3, 20}, {{12, 7}, 0, 7}}},
    {"ThreeChannelsOfStrideTwo",
     {2, 9, 7, 3},
     16,
     {.kernel = 3, .stride = 2, .padding = 1},
     ActKind::kSilu,
     false,
     {{{0, 16}, 0, 16}}},
    {"EightToSixteenWithResidualToSlices",
     {1, 6, 31, 8},
     16,
     {.kernel = 3, .padding = 1},
     ActKind::kSilu,
     true,
     {{{0, 16}, 32, 48}, {{3, 9}, 1, 11}}},
    {"SixteenToEightOfOddWidth",
     {2, 5, 27, 16},
     8,
     {.kernel = 3, .padding = 1},
     ActKind::kRelu,
     false,
     {{{0, 8}, 0, 8}, {{0, 8}, 8, 24}}},
    {"SlicesBetweenVectors", {1, 5, 5, 16}, 16, {}, ActKind::kSilu, false, {{{0, 8}, 0, 8}, {{8, 8}, 8, 16}}},
    {"OtherActivation", {1, 5, 5, 16}, 16, {}, ActKind::kMish, true, {{{0, 16}, 0, 16}}},
};

std::vector<float> scaled(std::vector<float> values, double by) {
  for (float& value : values) value = static_cast<float>(value * by);
  return values;
}

struct Values {
  std::vector<float> x, w, bias, residual;

  // Sums of products are about 1.
  explicit Values(const Layer& layer) {
    const Shape weights = conv_weight_shape(layer.x.c, layer.out_channels, layer.options);
    const double terms = std::int64_t{weights.h} * weights.w * (layer.x.c / layer.options.groups);
    x = scaled(test::random_values(layer.x.count(), 1), 1.0 / 3);
    w = scaled(test::random_values(weights.count(), 2), 1.0 / std::sqrt(terms));
    bias = scaled(test::random_values(layer.out_channels, 3), 1.0 / 3);
    residual = scaled(test::random_values(layer.y().count(), 4), 1.0 / 3);
  }
};

// All destinations' tensors, one after the other.
std::vector<float> result(Stream& stream, const Layer& layer, const Values& values, DType dtype,
                          ConvWeightCache* cache = nullptr) {
  const auto weights = conv_weight_shape(layer.x.c, layer.out_channels, layer.options);
  const Tensor x = test::tensor_of(stream, layer.x, values.x, dtype), w = test::tensor_of(stream, weights, values.w);
  const Tensor bias = test::tensor_of(stream, {1, 1, 1, layer.out_channels}, values.bias);
  const Tensor residual = test::slice_of(stream, layer.y(), values.residual, dtype, 3, layer.out_channels + 8);
  ConvActArgs args{.x = x,
                   .w = w,
                   .bias = bias.as(),
                   .y = layer.y(),
                   .options = layer.options,
                   .act = {layer.act},
                   .to = {},
                   .cache = cache};
  if (layer.adds_residual) args.residual = residual;
  std::vector<Tensor> wholes;
  for (const Slice& slice : layer.slices) {
    Shape shape = layer.y();
    shape.c = slice.width;
    wholes.push_back(test::unwritten(stream, shape, dtype));
    args.to.push_back({slice.of, wholes.back().channels(slice.at, slice.of.count)});
  }
  conv_act_forward(stream, args);
  std::vector<float> all;
  for (const Tensor& whole : wholes) test::append(all, whole.to_host(stream));
  return all;
}

// What conv_forward() gives alone, and the rest in double.
std::vector<double> expected_y(Stream& stream, const Layer& layer, const Values& values) {
  const auto weights = conv_weight_shape(layer.x.c, layer.out_channels, layer.options);
  const Tensor x = test::tensor_of(stream, layer.x, values.x), w = test::tensor_of(stream, weights, values.w);
  const Tensor z = test::unwritten(stream, layer.y());
  conv_forward(stream, {.x = x, .w = w, .y = z, .options = layer.options});
  const std::vector<float> sums = z.to_host(stream);
  std::vector<double> y;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const double value = activate(Act{layer.act}, double{sums[i]} + values.bias[i % values.bias.size()]);
    y.push_back(value + (layer.adds_residual ? values.residual[i] : 0.0f));
  }
  return y;
}

void expect_near(const Layer& layer, const std::vector<double>& y, const std::vector<float>& got, double tolerance) {
  std::size_t i = 0;
  for (const Slice& slice : layer.slices) {
    for (std::int64_t pixel = 0; pixel < layer.y().pixels(); ++pixel) {
      for (int c = 0; c < slice.width; ++c, ++i) {
        const int of = c - slice.at;
        if (of < 0 || of >= slice.of.count) {
          ASSERT_TRUE(std::isnan(got[i])) << "written beside its slice: pixel " << pixel << ", channel " << c;
        } else {
          const auto want = y[static_cast<std::size_t>(pixel * layer.out_channels + slice.of.first + of)];
          ASSERT_NEAR(got[i], want, tolerance) << "pixel " << pixel << ", channel " << c;
        }
      }
    }
  }
}

class ConvAct : public test::BackendTest {};

TEST_P(ConvAct, EqualsItsParts) {
  for (const Layer& layer : kLayers) {
    SCOPED_TRACE(layer.name);
    const Values values(layer);
    const std::vector<double> y = expected_y(stream(), layer, values);
    const auto got = test::run_on(device(), [&](Stream& s) { return result(s, layer, values, DType::kF32); });
    expect_near(layer, y, got, 3e-6);
    if (!device().is_cuda() && !cpu_has_bf16()) continue;
    expect_near(layer, y, result(stream(), layer, values, DType::kBF16), 0.06);
  }
}

TEST_P(ConvAct, KeptWeightsGiveTheSameBits) {
  for (const Layer& layer : kLayers) {
    SCOPED_TRACE(layer.name);
    const Values values(layer);
    ConvWeightCache cache;
    const auto bits = [](const std::vector<float>& v) {  // NaN equals NaN
      std::vector<std::uint32_t> all;
      for (const float value : v) all.push_back(std::bit_cast<std::uint32_t>(value));
      return all;
    };
    const auto fresh = bits(result(stream(), layer, values, DType::kF32));
    EXPECT_EQ(bits(result(stream(), layer, values, DType::kF32, &cache)), fresh);
    EXPECT_EQ(bits(result(stream(), layer, values, DType::kF32, &cache)), fresh);
  }
}

TEST_P(ConvAct, ByHand) {
  // One pixel of 16 ones; output o sums o of them and -7.5: below 8 ReLU gives 0.
  std::vector<float> w(16 * 16, 0.0f), want(16);
  for (int o = 0; o < 16; ++o) std::fill_n(w.begin() + 16 * o, o, 1.0f);
  for (int o = 8; o < 16; ++o) want[static_cast<std::size_t>(o)] = static_cast<float>(o) - 7.5f;
  const Shape pixel{1, 1, 1, 16};
  const Tensor x = test::tensor_of(stream(), pixel, std::vector<float>(16, 1.0f)),
               weights = test::tensor_of(stream(), {16, 1, 1, 16}, w),
               bias = test::tensor_of(stream(), pixel, std::vector<float>(16, -7.5f)),
               y = test::unwritten(stream(), pixel);
  conv_act_forward(stream(), {.x = x,
                              .w = weights,
                              .bias = bias.as(),
                              .y = pixel,
                              .options = {},
                              .act = {ActKind::kRelu},
                              .to = {{{0, 16}, y}}});
  EXPECT_EQ(y.to_host(stream()), want);
}

TEST_P(ConvAct, WhatDoesNotFitIsRefused) {
  const Tensor x = Tensor::zeros(stream(), {1, 4, 4, 16}), w = Tensor::zeros(stream(), {16, 1, 1, 16}),
               small = Tensor::zeros(stream(), {1, 4, 3, 16}), y = Tensor::zeros(stream(), {1, 4, 4, 16});
  ConvActArgs args{.x = x, .w = w, .y = y.shape(), .options = {}, .act = {}, .to = {{{0, 16}, small}}};
  EXPECT_THROW(conv_act_forward(stream(), args), ShapeError);
  args.to = {{{8, 16}, y}};
  EXPECT_THROW(conv_act_forward(stream(), args), ShapeError);
  args.to = {{{0, 16}, y}};
  args.residual = small;
  EXPECT_THROW(conv_act_forward(stream(), args), ShapeError);
  args.residual = y;
  args.y = small.shape();
  EXPECT_THROW(conv_act_forward(stream(), args), ShapeError);
}

INSTANTIATE_ON_BACKENDS(ConvAct);

TEST(ConvActTargets, EveryInstructionSetEqualsTheParts) {
  for (const Layer& layer : kLayers) {
    SCOPED_TRACE(layer.name);
    Stream stream;
    const Values values(layer);
    const std::vector<double> y = expected_y(stream, layer, values);
    test::on_every_target([&] { expect_near(layer, y, result(stream, layer, values, DType::kF32), 3e-6); });
  }
}

TEST(ConvActCost, CountsWhatIsReadAndWritten) {
  Stream stream;
  const Tensor x = Tensor::zeros(stream, {1, 4, 4, 16}), w = Tensor::zeros(stream, {32, 1, 1, 16}),
               y = Tensor::zeros(stream, {1, 4, 4, 32}), half = Tensor::zeros(stream, {1, 4, 4, 16});
  const ConvActArgs args{.x = x,
                         .w = w,
                         .y = y.shape(),
                         .options = {},
                         .act = {},
                         .residual = y.view(),
                         .to = {{{0, 32}, y}, {{16, 16}, half}}};
  const OpCost cost = cost_of(args);
  EXPECT_EQ(cost.bytes, 4 * (16 * 16 + 32 * 16 + 16 * 32 + 16 * 32 + 16 * 16));
  EXPECT_EQ(cost.flops, 2 * 16 * 32 * 16);
}

}  // namespace
}  // namespace boxcar::kernels
