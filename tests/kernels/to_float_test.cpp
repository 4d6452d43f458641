#include "boxcar/kernels/render/to_float.h"

#include "support/simd.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

TEST(ImagesToFloat, DividesInFloat) {
  test::on_every_target([] {
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      Stream stream;
      const Shape shape{1, 1, 87, 3};  // 261 bytes: every value, and a rest
      const Tensor x = Tensor::empty(stream, shape, DType::kU8), y = test::unwritten(stream, shape, dtype);
      std::vector<float> want;
      for (int i = 0; i < 261; ++i) {
        x.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(i);
        want.push_back(static_cast<float>(i % 256) / 255.0f);
      }
      images_to_float(stream, {x, y});
      EXPECT_EQ(y.to_host(stream), test::rounded_to(dtype, want));
    }
  });
}

}  // namespace
}  // namespace boxcar::kernels
