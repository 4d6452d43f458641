#include "boxcar/kernels/render/to_float.h"

#include "support/simd.h"

#include <gtest/gtest.h>

#include <vector>

#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

class ImagesToFloat : public test::BackendTest {};

// 261 bytes: every value, and a rest. One byte, none, and one vector of eight after the other.
TEST_P(ImagesToFloat, DividesInFloat) {
  test::on_every_target([&] {
    for (const Shape& shape : {Shape{1, 1, 87, 3}, Shape{1, 1, 1, 1}, Shape{0, 4, 4, 3}, Shape{2, 16, 8, 3}}) {
      for (const DType dtype : {DType::kF32, DType::kBF16}) {
        std::vector<std::uint8_t> bytes;
        std::vector<float> want;
        for (int i = 0; i < shape.count(); ++i) {
          bytes.push_back(static_cast<std::uint8_t>(i));
          want.push_back(static_cast<float>(i % 256) / 255.0f);
        }
        const std::vector<float> got = test::run_on(device(), [&](Stream& s) {
          const Tensor y = test::unwritten(s, shape, dtype);
          images_to_float(s, {test::tensor_of_bytes(s, shape, bytes), y});
          return y.to_host(s);
        });
        EXPECT_EQ(got, test::rounded_to(dtype, want));
      }
    }
  });
}

TEST_P(ImagesToFloat, RefusesOtherShapesAndTypes) {
  const Tensor bytes = Tensor::zeros(stream(), {1, 2, 2, 3}, DType::kU8), y = test::unwritten(stream(), {1, 2, 2, 3});
  EXPECT_THROW(images_to_float(stream(), {bytes, test::unwritten(stream(), {1, 2, 3, 3})}), ShapeError);
  EXPECT_THROW(images_to_float(stream(), {y, y}), ShapeError);
  EXPECT_THROW(images_to_float(stream(), {bytes, bytes}), ShapeError);
}

INSTANTIATE_ON_BACKENDS(ImagesToFloat);

}  // namespace
}  // namespace boxcar::kernels
