#include "boxcar/kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::append;
using test::random_values;
using test::tensor_of;
using test::unwritten;

// The formulas in double, one element after another.
struct Reference {
  Shape image;
  AttentionShape shape;
  std::vector<double> qkv, o, v, softmax, dqkv;

  int pixels() const { return image.h * image.w; }
  std::size_t at(int n, int pixel, int channels, int channel) const {
    return (static_cast<std::size_t>(n) * static_cast<std::size_t>(pixels()) + static_cast<std::size_t>(pixel)) *
               static_cast<std::size_t>(channels) +
           static_cast<std::size_t>(channel);
  }
  std::size_t q(int n, int pixel, int head, int i) const {
    return at(n, pixel, shape.qkv_channels(), shape.head_offset(head) + i);
  }
  std::size_t k(int n, int pixel, int head, int i) const { return q(n, pixel, head, shape.key_dim + i); }
  std::size_t value(int n, int pixel, int head, int i) const { return q(n, pixel, head, 2 * shape.key_dim + i); }
  std::size_t out(int n, int pixel, int head, int i) const {
    return at(n, pixel, shape.channels(), head * shape.head_dim + i);
  }
  std::size_t p(int n, int head, int from, int to) const { return at(n * shape.heads + head, from, pixels(), to); }
  double scale() const { return 1 / std::sqrt(double(shape.key_dim)); }

  template <class F>
  void for_heads(F&& f) const {
    for (int n = 0; n < image.n; ++n) {
      for (int head = 0; head < shape.heads; ++head) f(n, head);
    }
  }

  void forward() {
    o.assign(static_cast<std::size_t>(image.pixels() * shape.channels()), 0);
    v = o;
    softmax.assign(static_cast<std::size_t>(image.pixels() * shape.heads * pixels()), 0);
    for_heads([&](int n, int head) {
      for (int from = 0; from < pixels(); ++from) {
        double sum = 0;
        for (int to = 0; to < pixels(); ++to) {
          double score = 0;
          for (int i = 0; i < shape.key_dim; ++i) score += qkv[q(n, from, head, i)] * qkv[k(n, to, head, i)];
          sum += softmax[p(n, head, from, to)] = std::exp(score * scale());
        }
        for (int to = 0; to < pixels(); ++to) softmax[p(n, head, from, to)] /= sum;
        for (int i = 0; i < shape.head_dim; ++i) {
          v[out(n, from, head, i)] = qkv[value(n, from, head, i)];
          for (int to = 0; to < pixels(); ++to) {
            o[out(n, from, head, i)] += softmax[p(n, head, from, to)] * qkv[value(n, to, head, i)];
          }
        }
      }
    });
  }

  void backward(const std::vector<float>& d_o, const std::vector<float>& dv) {
    dqkv.assign(qkv.size(), 0);
    for_heads([&](int n, int head) {
      for (int from = 0; from < pixels(); ++from) {
        std::vector<double> dp;
        double dot = 0;
        for (int to = 0; to < pixels(); ++to) {
          double sum = 0;
          for (int i = 0; i < shape.head_dim; ++i) {
            sum += double{d_o[out(n, from, head, i)]} * qkv[value(n, to, head, i)];
            dqkv[value(n, to, head, i)] += softmax[p(n, head, from, to)] * d_o[out(n, from, head, i)];
          }
          dp.push_back(sum);
          dot += sum * softmax[p(n, head, from, to)];
        }
        for (int i = 0; i < shape.head_dim; ++i) dqkv[value(n, from, head, i)] += dv[out(n, from, head, i)];
        for (int to = 0; to < pixels(); ++to) {
          const double ds = softmax[p(n, head, from, to)] * (dp[static_cast<std::size_t>(to)] - dot) * scale();
          for (int i = 0; i < shape.key_dim; ++i) {
            dqkv[q(n, from, head, i)] += ds * qkv[k(n, to, head, i)];
            dqkv[k(n, to, head, i)] += ds * qkv[q(n, from, head, i)];
          }
        }
      }
    });
  }
};

class AttentionTest : public test::BackendTest {
 protected:
  // The CPU's products, the library's, need not have the same bits for every number of threads.
  std::vector<std::vector<float>> results_of(const test::Run& run) {
    if (device().is_cuda()) return {test::run_on(device(), run)};
    Stream one(device(), {.threads = 1}), three(device(), {.threads = 3});
    return {run(one), run(three)};
  }
};

TEST_P(AttentionTest, OneKeyAndEqualKeysByHand) {
  // One head of one channel each; the keys are equal, so each pixel sees the mean of v.
  const Tensor x = tensor_of(stream(), {1, 1, 2, 3}, {7, 2, 10, -3, 2, 20}), o = unwritten(stream(), {1, 1, 2, 1});
  const Tensor v = unwritten(stream(), {1, 1, 2, 1}), softmax = unwritten(stream(), {1, 1, 2, 2});
  attention_forward(stream(), {x, o, v, softmax.as(), {}});
  EXPECT_EQ(softmax.to_host(stream()), (std::vector<float>{0.5f, 0.5f, 0.5f, 0.5f}));
  EXPECT_EQ(o.to_host(stream()), (std::vector<float>{15, 15}));
  EXPECT_EQ(v.to_host(stream()), (std::vector<float>{10, 20}));
}

struct Case {
  Shape image;  // c is not used
  AttentionShape shape;
};

// u = 2^-24. A score sums at most 16 products of up to 9 and is scaled by 1/4 (8 channels: less): off by at most
// 16 * 36 u = 3.4e-5, typically a tenth of that, which is the relative error of a power and of what is made of it.
// Sums over at most 140 pixels add errors of u of their size each, which average out.
TEST_P(AttentionTest, ForwardAndBackwardMatchTheFormulasInDouble) {
  const Case cases[] = {{{2, 3, 5, 0}, {2, 3, 5}},     // nothing even
                        {{1, 1, 1, 0}, {1, 1, 1}},     // one pixel
                        {{1, 10, 14, 0}, {1, 8, 12}},  // more than a tile and a warp; fours
                        {{2, 4, 3, 0}, {3, 16, 32}}};
  for (const auto& [image, shape] : cases) {
    Shape wide = image, out = image;
    wide.c = shape.qkv_channels();
    out.c = shape.channels();
    const std::vector<float> qkv = random_values(wide.count(), 1), d_o = random_values(out.count(), 2);
    const std::vector<float> dv = random_values(out.count(), 3);
    Reference want{image, shape, {qkv.begin(), qkv.end()}, {}, {}, {}, {}};
    want.forward();
    want.backward(d_o, dv);
    const auto results = results_of([&](Stream& s) {
      const Tensor x = tensor_of(s, wide, qkv), o = unwritten(s, out), v = unwritten(s, out), dx = unwritten(s, wide);
      const Tensor softmax = unwritten(s, {image.n, shape.heads, image.h * image.w, image.h * image.w});
      attention_forward(s, {x, o, v, softmax.as(), shape});
      attention_backward(s, {x, softmax.as(), tensor_of(s, out, d_o), tensor_of(s, out, dv), dx, shape});
      std::vector<float> result = v.to_host(s);
      append(result, softmax.to_host(s));
      append(result, o.to_host(s));
      append(result, dx.to_host(s));
      return result;
    });
    std::vector<double> all;
    for (const auto* part : {&want.v, &want.softmax, &want.o, &want.dqkv})
      all.insert(all.end(), part->begin(), part->end());
    for (const std::vector<float>& got : results) {
      ASSERT_EQ(got.size(), all.size());
      for (std::size_t i = 0; i < all.size(); ++i) {
        const double most = i < want.v.size() ? 0 : 2e-5 * std::max(1.0, std::abs(all[i]));
        ASSERT_TRUE(std::abs(got[i] - all[i]) <= most) << i << ": " << got[i] << ' ' << all[i];
      }
    }
  }
}

TEST_P(AttentionTest, ANanSpoilsItsPixelsRowAndHeadAlone) {
  constexpr AttentionShape kShape{.heads = 2, .key_dim = 1, .head_dim = 1};
  std::vector<float> qkv = random_values(3 * 6, 1);
  qkv[6] = std::numeric_limits<float>::quiet_NaN();  // q of pixel 1, head 0
  const Tensor x = tensor_of(stream(), {1, 1, 3, 6}, qkv), o = unwritten(stream(), {1, 1, 3, 2});
  const Tensor v = unwritten(stream(), {1, 1, 3, 2}), softmax = unwritten(stream(), {1, 2, 3, 3});
  attention_forward(stream(), {x, o, v, softmax.as(), kShape});
  const std::vector<float> result = o.to_host(stream());
  for (std::size_t i = 0; i < result.size(); ++i) EXPECT_EQ(std::isnan(result[i]), i == 2) << i;
}

TEST_P(AttentionTest, RefusesWhatDoesNotFit) {
  constexpr AttentionShape kShape{.heads = 2, .key_dim = 3, .head_dim = 5};
  const Tensor x = unwritten(stream(), {2, 3, 5, 22}), o = unwritten(stream(), {2, 3, 5, 10});
  EXPECT_THROW(attention_forward(stream(), {x, o, o, nullptr, {2, 4, 5}}), ShapeError);
  EXPECT_THROW(attention_forward(stream(), {x, o, x, nullptr, kShape}), ShapeError);
  EXPECT_THROW(attention_backward(stream(), {x, nullptr, o, x, x, kShape}), ShapeError);
}

INSTANTIATE_ON_BACKENDS(AttentionTest);

}  // namespace
}  // namespace boxcar::kernels
