#include "boxcar/kernels/elementwise/rearrange.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/base/error.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::inner;
using test::slice_of;
using test::unwritten;
using test::whole_values;

TEST(Rearrange, PermutationsByHandAndBack) {
  Stream stream;
  const Tensor x = Tensor::from(stream, {1, 1, 2, 3}, {1, 2, 3, 4, 5, 6}), y = unwritten(stream, {1, 1, 3, 2});
  permute(stream, {x, y, {0, 1, 3, 2}});
  EXPECT_EQ(y.to_host(stream), (std::vector<float>{1, 4, 2, 5, 3, 6}));
  const std::vector<float> values = whole_values(2 * 3 * 4 * 5, 9, 1);
  const Tensor wide = slice_of(stream, {2, 3, 4, 5}, values, DType::kF32, 2, 9);
  const Tensor turned = unwritten(stream, {5, 3, 2, 4}), back = unwritten(stream, {2, 3, 4, 5});
  permute(stream, {wide, turned, {3, 1, 0, 2}});
  permute(stream, {turned, back, {2, 1, 3, 0}});
  EXPECT_EQ(back.to_host(stream), values);
}

TEST(Rearrange, ASliceIsTakenOutAndPutBack) {
  Stream stream;
  const std::vector<float> values = whole_values(2 * 3 * 4 * 5, 9, 1);
  const Tensor x = Tensor::from(stream, {2, 3, 4, 5}, values), part = unwritten(stream, {1, 2, 3, 4});
  slice_out(stream, {x, part, {1, 0, 1, 1}});
  EXPECT_EQ(part.to_host(stream).front(), values[(1 * 3 * 4 + 0 * 4 + 1) * 5 + 1]);
  EXPECT_EQ(part.to_host(stream).back(), values[(1 * 3 * 4 + 1 * 4 + 3) * 5 + 4]);
  // Putting a gradient in is the adjoint of taking the part out.
  const std::vector<float> grad = whole_values(part.count(), 9, 2);
  const Tensor dx = Tensor::zeros(stream, {2, 3, 4, 5});
  slice_in(stream, {dx, Tensor::from(stream, part.shape(), grad), {1, 0, 1, 1}});
  EXPECT_EQ(inner(dx.to_host(stream), values), inner(grad, part.to_host(stream)));
}

TEST(Rearrange, GatherAndItsAdjoint) {
  for (const int threads : {1, 3}) {
    Stream stream(Device::cpu(), {.threads = threads});
    const Shape shape{2, 2, 5, 3};
    const std::vector<std::int32_t> picked{4, 0, 4, 1, 2, 2, 0, 0, 3, 1, 4, 4, 1, 1, 1, 0};
    const std::vector<float> values = whole_values(shape.count(), 9, 1), grad = whole_values(2 * 2 * 4 * 3, 9, 2);
    const Tensor x = slice_of(stream, shape, values, DType::kF32, 1, 5), dx = unwritten(stream, shape);
    const Tensor rows = Tensor::empty(stream, {2, 2, 4, 1}, DType::kI32), y = unwritten(stream, {2, 2, 4, 3});
    stream.copy(rows.view().data, picked.data(), picked.size() * sizeof(std::int32_t));
    gather(stream, {x, rows, y});
    const std::vector<float> taken = y.to_host(stream);
    for (std::size_t i = 0; i < taken.size(); ++i) {
      const std::size_t table = i / 12, row = static_cast<std::size_t>(picked[i / 3]);
      EXPECT_EQ(taken[i], values[(table * 5 + row) * 3 + i % 3]);
    }
    gather_backward(stream, {rows, slice_of(stream, {2, 2, 4, 3}, grad, DType::kF32, 2, 6), dx});
    EXPECT_EQ(inner(dx.to_host(stream), values), inner(grad, taken));
  }
}

TEST(Rearrange, RefusesWhatDoesNotFit) {
  Stream stream;
  const Tensor x = Tensor::zeros(stream, {1, 1, 2, 3}), y = Tensor::zeros(stream, {1, 1, 3, 2});
  EXPECT_THROW(permute(stream, {x, y, {0, 1, 2, 3}}), ShapeError);
  EXPECT_THROW(permute(stream, {x, y, {0, 1, 3, 3}}), ShapeError);
  EXPECT_THROW(slice_out(stream, {x, Tensor::zeros(stream, {1, 1, 1, 3}), {0, 0, 2, 0}}), ShapeError);
  const Tensor rows = Tensor::empty(stream, {1, 1, 1, 1}, DType::kI32);
  *rows.as<std::int32_t>() = 2;
  EXPECT_THROW(gather(stream, {x, rows, Tensor::zeros(stream, {1, 1, 1, 3})}), ShapeError);
}

}  // namespace
}  // namespace boxcar::kernels
