// What conv_forward() does for inference: the activation on the way, weights kept in the library's order.
#include <gtest/gtest.h>

#include <cmath>

#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/kernels/conv/conv.h"
#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

class ConvInference : public test::BackendTest {
 protected:
  Tensor random(Shape shape, unsigned seed) {
    return test::tensor_of(stream(), shape, test::random_values(shape.count(), seed));
  }

  const ConvOptions options_{.kernel = 3, .stride = 2, .padding = 1};
  const Tensor x_ = random({2, 9, 7, 5}, 1), w_ = random({16, 3, 3, 5}, 2), bias_ = random({1, 1, 1, 16}, 3);
};

// Of image channels, which CUDA's direct kernel takes, and of others; not all of a vector's channels are there.
TEST_P(ConvInference, AppliesTheActivation) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    if (dtype == DType::kBF16 && !device().is_cuda() && !cpu_has_bf16()) continue;
    for (const int channels : {3, 8}) {
      const Shape x_shape{2, 9, 7, channels}, w_shape{19, 3, 3, channels};
      const std::vector<float> x = test::random_values(x_shape.count(), 1), w = test::random_values(w_shape.count(), 2);
      const std::vector<float> bias = test::random_values(19, 3);
      const auto forward = [&](Act act) {
        return test::run_on(device(), [&](Stream& s) {
          const Tensor y = test::unwritten(s, {2, 5, 4, 19}), b = test::tensor_of(s, {1, 1, 1, 19}, bias);
          const Tensor weights = test::tensor_of(s, w_shape, w);
          conv_forward(s, {test::tensor_of(s, x_shape, x, dtype), weights, b.as(), y, options_, act});
          return y.to_host(s);
        });
      };
      const std::vector<float> before = forward({});
      for (const ActKind kind : {ActKind::kSilu, ActKind::kRelu}) {
        const Act act{kind};
        ASSERT_TRUE(conv_can_activate(act, channels, 19, options_));
        const std::vector<float> after = forward(act);
        for (std::size_t i = 0; i < after.size(); ++i) {
          const double want = activate(act, double(before[i]));
          // The library's exp is good to a few units in the last place.
          ASSERT_TRUE(std::abs(after[i] - want) <= 1e-6 * std::max(1.0, std::abs(want)))
              << i << ": " << after[i] << ' ' << want;
        }
      }
    }
  }
}

TEST_P(ConvInference, OtherActivationsAndDepthwiseOnesAreRefused) {
  const Tensor y = Tensor::empty(stream(), {2, 5, 4, 16});
  EXPECT_THROW(conv_forward(stream(), {x_, w_, nullptr, y, options_, {ActKind::kGelu}}), ShapeError);
  EXPECT_FALSE(conv_can_activate({ActKind::kSilu}, 8, 8, {.kernel = 3, .padding = 1, .groups = 8}));
  EXPECT_TRUE(conv_can_activate({}, 8, 8, {.kernel = 3, .padding = 1, .groups = 8}));
}

TEST_P(ConvInference, KeptWeightsGiveTheSameBitsAtEverySize) {
  ConvWeightCache cache;
  for (const Shape shape : {Shape{2, 9, 7, 5}, Shape{1, 32, 20, 5}, Shape{2, 9, 7, 5}}) {
    const Tensor x = random(shape, 4);
    const Tensor kept = Tensor::empty(stream(), conv_output_shape(shape, 16, options_)),
                 fresh = Tensor::empty(stream(), kept.shape());
    conv_forward(stream(), {x, w_, bias_.as(), kept, options_, {}, &cache});
    conv_forward(stream(), {x, w_, bias_.as(), fresh, options_});
    EXPECT_EQ(kept.to_host(stream()), fresh.to_host(stream()));
  }
  EXPECT_EQ(cache.orders != nullptr, !device().is_cuda());  // our CUDA kernels read the weights as they are
}

TEST_P(ConvInference, KeptWeightsOfDepthwiseOnesGiveTheSameBits) {
  ConvWeightCache cache;
  const ConvOptions options{.kernel = 3, .padding = 1, .groups = 5};
  const Tensor w = random({1, 3, 3, 5}, 2);
  for (const DType dtype : {DType::kBF16, DType::kF32, DType::kBF16}) {
    const Tensor x = test::tensor_of(stream(), {2, 9, 7, 5}, test::random_values(630, 4), dtype);
    const Tensor kept = Tensor::empty(stream(), x.shape(), dtype), fresh = Tensor::empty(stream(), x.shape(), dtype);
    conv_forward(stream(), {x, w, nullptr, kept, options, {}, &cache});
    conv_forward(stream(), {x, w, nullptr, fresh, options});
    EXPECT_EQ(kept.to_host(stream()), fresh.to_host(stream()));
  }
  EXPECT_EQ(cache.orders != nullptr, device().is_cuda());
}

INSTANTIATE_ON_BACKENDS(ConvInference);

}  // namespace
}  // namespace boxcar::kernels
