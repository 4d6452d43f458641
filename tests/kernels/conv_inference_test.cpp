// What conv_forward() does for inference: the activation on the way, weights kept in the library's order.
#include <gtest/gtest.h>

#include <cmath>

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

TEST_P(ConvInference, AppliesTheActivation) {
  const Tensor z = Tensor::empty(stream(), {2, 5, 4, 16}), y = Tensor::empty(stream(), z.shape());
  conv_forward(stream(), {x_, w_, bias_.as(), z, options_});
  for (const ActKind kind : {ActKind::kSilu, ActKind::kRelu}) {
    const Act act{kind};
    ASSERT_TRUE(conv_can_activate(act, 5, 16, options_));
    conv_forward(stream(), {x_, w_, bias_.as(), y, options_, act});
    const std::vector<float> before = z.to_host(stream()), after = y.to_host(stream());
    for (std::size_t i = 0; i < after.size(); ++i) {
      const double want = activate(act, double(before[i]));
      // The library's exp is good to a few units in the last place.
      ASSERT_TRUE(std::abs(after[i] - want) <= 1e-6 * std::max(1.0, std::abs(want)))
          << i << ": " << after[i] << ' ' << want;
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
  EXPECT_EQ(cache.orders != nullptr, !device().is_cuda());  // CUDA kernels read the weights as they are
}

INSTANTIATE_ON_BACKENDS(ConvInference);

}  // namespace
}  // namespace boxcar::kernels
