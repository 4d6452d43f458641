#include "boxcar/kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <cmath>

#include "boxcar/runtime/base/error.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::random_values;
using test::unwritten;

constexpr AttentionShape kShape{.heads = 2, .key_dim = 3, .head_dim = 5};
constexpr Shape kQkv{2, 3, 5, 22}, kOut{2, 3, 5, 10};
constexpr int kPixels = 15;

struct Pass {
  std::vector<float> o, v, softmax, dqkv;
};

Pass run(const std::vector<float>& qkv, const std::vector<float>& d_o, const std::vector<float>& dv, int threads) {
  Stream stream(Device::cpu(), {.threads = threads});
  const Tensor x = Tensor::from(stream, kQkv, qkv), o = unwritten(stream, kOut), v = unwritten(stream, kOut);
  const Tensor softmax = unwritten(stream, {2, 2, kPixels, kPixels}), dqkv = unwritten(stream, kQkv);
  attention_forward(stream, {x, o, v, softmax.as(), kShape});
  attention_backward(stream,
                     {x, softmax.as(), Tensor::from(stream, kOut, d_o), Tensor::from(stream, kOut, dv), dqkv, kShape});
  return {o.to_host(stream), v.to_host(stream), softmax.to_host(stream), dqkv.to_host(stream)};
}

/// The channel of element i of a [.., heads * head_dim] tensor within qkv.
std::size_t v_of(std::size_t i) {
  const std::size_t pixel = i / 10, head = i % 10 / 5, channel = i % 5;
  return pixel * 22 + static_cast<std::size_t>(kShape.head_offset(static_cast<int>(head)) + 2 * kShape.key_dim) +
         channel;
}

TEST(Attention, OneKeyAndEqualKeysByHand) {
  Stream stream;
  // One head of one channel each; the keys are equal, so each pixel sees the mean of v.
  const Tensor x = Tensor::from(stream, {1, 1, 2, 3}, {7, 2, 10, -3, 2, 20}), o = unwritten(stream, {1, 1, 2, 1});
  const Tensor v = unwritten(stream, {1, 1, 2, 1}), softmax = unwritten(stream, {1, 1, 2, 2});
  attention_forward(stream, {x, o, v, softmax.as(), {}});
  EXPECT_EQ(softmax.to_host(stream), (std::vector<float>{0.5f, 0.5f, 0.5f, 0.5f}));
  EXPECT_EQ(o.to_host(stream), (std::vector<float>{15, 15}));
  EXPECT_EQ(v.to_host(stream), (std::vector<float>{10, 20}));
}

// o = P v and the copy of v are linear in v while q and k, and so P, stay: <d_o, o> + <dv, v'> = <dqkv, v>. Each o and
// each gradient sums 15 products; a sum of n of them is off by at most n * 2^-24 of the sum of their sizes, the
// gradient has one addition more, so both sides agree within 31 * 2^-24 of the terms' total size.
TEST(Attention, AdjointOfTheValues) {
  const std::vector<float> qkv = random_values(kQkv.count(), 1), d_o = random_values(kOut.count(), 2);
  const std::vector<float> dv = random_values(kOut.count(), 3);
  for (const int threads : {1, 3}) {
    const Pass p = run(qkv, d_o, dv, threads);
    double outputs = 0, inputs = 0, size = 0;
    for (std::size_t i = 0; i < d_o.size(); ++i) {
      EXPECT_EQ(p.v[i], qkv[v_of(i)]);
      outputs += double{d_o[i]} * p.o[i] + double{dv[i]} * p.v[i];
      inputs += double{p.dqkv[v_of(i)]} * qkv[v_of(i)];
      size += std::abs(double{dv[i]} * p.v[i]);
      const std::size_t image = i / 150, pixel = i / 10 % 15, head = i % 10 / 5;
      for (std::size_t key = 0; key < kPixels; ++key) {
        const float share = p.softmax[((image * 2 + head) * kPixels + pixel) * kPixels + key];
        size += std::abs(double{d_o[i]} * share * qkv[v_of((image * 15 + key) * 10 + i % 10)]);
      }
    }
    EXPECT_NEAR(outputs, inputs, 31 * 0x1p-24 * size);
  }
}

TEST(Attention, RefusesWhatDoesNotFit) {
  Stream stream;
  const Tensor x = unwritten(stream, kQkv), o = unwritten(stream, kOut);
  EXPECT_THROW(attention_forward(stream, {x, o, o, nullptr, {2, 4, 5}}), ShapeError);
  EXPECT_THROW(attention_forward(stream, {x, o, x, nullptr, kShape}), ShapeError);
  EXPECT_THROW(attention_backward(stream, {x, nullptr, o, x, x, kShape}), ShapeError);
}

}  // namespace
}  // namespace boxcar::kernels
