#include "boxcar/kernels/resample/rescale.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/base/error.h"
#include "support/golden.h"

namespace boxcar::kernels {
namespace {

TEST(Rescale, HandWorkedRow) {
  Stream stream;
  const Tensor x = Tensor::from(stream, {1, 1, 2, 1}, {0, 4});
  const Tensor y = Tensor::empty(stream, {1, 1, 4, 1});
  rescale_bilinear(stream, {x, y});  // centres at -0.25, 0.25, 0.75, 1.25
  EXPECT_EQ(y.to_host(stream), (std::vector<float>{0, 1, 3, 4}));
  const Tensor one = Tensor::empty(stream, {1, 1, 1, 1});
  rescale_bilinear(stream, {x, one});
  EXPECT_EQ(one.to_host(stream), (std::vector<float>{2}));
}

TEST(Rescale, RefusesOtherBatchesChannelsAndNoPixels) {
  Stream stream;
  const Tensor x = Tensor::zeros(stream, {1, 2, 2, 3});
  EXPECT_THROW(rescale_bilinear(stream, {x, Tensor::zeros(stream, {2, 2, 2, 3})}), ShapeError);
  EXPECT_THROW(rescale_bilinear(stream, {x, Tensor::zeros(stream, {1, 2, 2, 1})}), ShapeError);
  EXPECT_THROW(rescale_bilinear(stream, {x, Tensor::empty(stream, {1, 2, 2, 3}, DType::kBF16)}), ShapeError);
  TensorView none = x;
  none.h = 0;
  EXPECT_THROW(rescale_bilinear(stream, {x, none}), ShapeError);
}

TEST(RescaleGolden, MultiScale) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/data/mix.safetensors"));
  for (const std::string side : {"32", "64", "96"}) {
    const auto& want = tensors.at("ms_out_" + side);
    const int h = int(want.shape[2]), w = int(want.shape[3]);
    for (const int threads : {1, 3}) {
      Stream stream(Device::cpu(), {threads});
      const Tensor x = Tensor::from(stream, {1, 32, 48, 3}, test::to_nhwc(tensors.at("ms_in").floats(), 1, 3, 32, 48));
      const Tensor y = Tensor::empty(stream, {1, h, w, 3});
      rescale_bilinear(stream, {x, y});
      const double worst = test::max_difference(y.to_host(stream), test::to_nhwc(want.floats(), 1, 3, h, w));
      EXPECT_TRUE(worst <= 1e-6) << side << ": " << worst;
    }
  }
}

}  // namespace
}  // namespace boxcar::kernels
