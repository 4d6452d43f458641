// What conv_forward() does for inference: the activation on the way, weights kept in the library's order.
#include <gtest/gtest.h>

#include <cmath>

#include "boxcar/kernels/conv/conv.h"
#include "boxcar/runtime/base/error.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

class ConvInference : public testing::Test {
 protected:
  Tensor random(Shape shape, unsigned seed) {
    return test::tensor_of(stream_, shape, test::random_values(shape.count(), seed));
  }

  Stream stream_;
  const ConvOptions options_{.kernel = 3, .stride = 2, .padding = 1};
  const Tensor x_ = random({2, 9, 7, 5}, 1), w_ = random({16, 3, 3, 5}, 2), bias_ = random({1, 1, 1, 16}, 3);
};

TEST_F(ConvInference, AppliesTheActivation) {
  const Tensor z = Tensor::empty(stream_, {2, 5, 4, 16}), y = Tensor::empty(stream_, z.shape());
  conv_forward(stream_, {x_, w_, bias_.as(), z, options_});
  for (const ActKind kind : {ActKind::kSilu, ActKind::kRelu}) {
    const Act act{kind};
    ASSERT_TRUE(conv_can_activate(act, 5, 16, options_));
    conv_forward(stream_, {x_, w_, bias_.as(), y, options_, act});
    const std::vector<float> before = z.to_host(stream_), after = y.to_host(stream_);
    for (std::size_t i = 0; i < after.size(); ++i) {
      const double want = activate(act, double(before[i]));
      // The library's exp is good to a few units in the last place.
      ASSERT_TRUE(std::abs(after[i] - want) <= 1e-6 * std::max(1.0, std::abs(want)))
          << i << ": " << after[i] << ' ' << want;
    }
  }
}

TEST_F(ConvInference, OtherActivationsAndDepthwiseOnesAreRefused) {
  const Tensor y = Tensor::empty(stream_, {2, 5, 4, 16});
  EXPECT_THROW(conv_forward(stream_, {x_, w_, nullptr, y, options_, {ActKind::kGelu}}), ShapeError);
  EXPECT_FALSE(conv_can_activate({ActKind::kSilu}, 8, 8, {.kernel = 3, .padding = 1, .groups = 8}));
  EXPECT_TRUE(conv_can_activate({}, 8, 8, {.kernel = 3, .padding = 1, .groups = 8}));
}

TEST_F(ConvInference, KeptWeightsGiveTheSameBitsAtEverySize) {
  ConvWeightCache cache;
  for (const Shape shape : {Shape{2, 9, 7, 5}, Shape{1, 32, 20, 5}, Shape{2, 9, 7, 5}}) {
    const Tensor x = random(shape, 4);
    const Tensor kept = Tensor::empty(stream_, conv_output_shape(shape, 16, options_)),
                 fresh = Tensor::empty(stream_, kept.shape());
    conv_forward(stream_, {x, w_, bias_.as(), kept, options_, {}, &cache});
    conv_forward(stream_, {x, w_, bias_.as(), fresh, options_});
    EXPECT_EQ(kept.to_host(stream_), fresh.to_host(stream_));
  }
  EXPECT_TRUE(cache.orders);
}

}  // namespace
}  // namespace boxcar::kernels
