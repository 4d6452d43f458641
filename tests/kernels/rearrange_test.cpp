#include "boxcar/kernels/elementwise/rearrange.h"

#include <gtest/gtest.h>

#include <cmath>

#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::inner;
using test::run_on;
using test::slice_of;
using test::tensor_of;
using test::unwritten;
using test::whole_values;

class Rearrange : public test::BackendTest {};

TEST_P(Rearrange, PermutationsByHandAndBack) {
  const Tensor x = tensor_of(stream(), {1, 1, 2, 3}, {1, 2, 3, 4, 5, 6}), y = unwritten(stream(), {1, 1, 3, 2});
  permute(stream(), {x, y, {0, 1, 3, 2}});
  EXPECT_EQ(y.to_host(stream()), (std::vector<float>{1, 4, 2, 5, 3, 6}));
  const std::vector<float> values = whole_values(2 * 3 * 4 * 5, 9, 1);
  const auto back = run_on(device(), [&](Stream& s) {
    const Tensor wide = slice_of(s, {2, 3, 4, 5}, values, DType::kF32, 2, 9);
    const Tensor turned = unwritten(s, {5, 3, 2, 4}), again = unwritten(s, {2, 3, 4, 5});
    permute(s, {wide, turned, {3, 1, 0, 2}});
    permute(s, {turned, again, {2, 1, 3, 0}});
    return again.to_host(s);
  });
  EXPECT_EQ(back, values);
}

TEST_P(Rearrange, ASliceIsTakenOutAndPutBack) {
  const std::vector<float> values = whole_values(2 * 3 * 4 * 5, 9, 1);
  const Tensor x = tensor_of(stream(), {2, 3, 4, 5}, values), part = unwritten(stream(), {1, 2, 3, 4});
  slice_out(stream(), {x, part, {1, 0, 1, 1}});
  EXPECT_EQ(part.to_host(stream()).front(), values[(1 * 3 * 4 + 0 * 4 + 1) * 5 + 1]);
  EXPECT_EQ(part.to_host(stream()).back(), values[(1 * 3 * 4 + 1 * 4 + 3) * 5 + 4]);
  // Putting a gradient in is the adjoint of taking the part out.
  const std::vector<float> grad = whole_values(part.count(), 9, 2);
  const Tensor dx = Tensor::zeros(stream(), {2, 3, 4, 5});
  slice_in(stream(), {dx, tensor_of(stream(), part.shape(), grad), {1, 0, 1, 1}});
  EXPECT_EQ(inner(dx.to_host(stream()), values), inner(grad, part.to_host(stream())));
}

TEST_P(Rearrange, GatherAndItsAdjoint) {
  const std::vector<std::int32_t> picked{4, 0, 4, 1, 2, 2, 0, 0, 3, 1, 4, 4, 1, 1, 1, 0};
  for (const int channels : {1, 3, 6, 8}) {
    const Shape shape{2, 2, 5, channels}, result{2, 2, 4, channels};
    const std::vector<float> values = whole_values(shape.count(), 9, 1), grad = whole_values(result.count(), 9, 2);
    const std::vector<float> both = run_on(device(), [&](Stream& s) {
      const Tensor x = slice_of(s, shape, values, DType::kF32, 4, channels + 8), dx = unwritten(s, shape);
      const Tensor rows = test::tensor_of_integers(s, {2, 2, 4, 1}, picked), y = unwritten(s, result);
      gather(s, {x, rows, y});
      gather_backward(s, {rows, slice_of(s, result, grad, DType::kF32, 2, channels + 4), dx});
      std::vector<float> all = y.to_host(s);
      test::append(all, dx.to_host(s));
      return all;
    });
    const std::vector<float> taken(both.begin(), both.begin() + result.count());
    for (std::size_t i = 0; i < taken.size(); ++i) {
      const std::size_t at = i / channels, table = at / 4, row = static_cast<std::size_t>(picked[at]);
      EXPECT_EQ(taken[i], values[(table * 5 + row) * channels + i % channels]);
    }
    EXPECT_EQ(inner({both.begin() + result.count(), both.end()}, values), inner(grad, taken));
  }
}

TEST_P(Rearrange, RowsOutOfRange) {
  const Tensor rows = test::tensor_of_integers(stream(), {1, 1, 3, 1}, {2, -1, 1});
  const Tensor x = tensor_of(stream(), {1, 1, 2, 1}, {5, 6}), y = unwritten(stream(), {1, 1, 3, 1});
  const Tensor dy = tensor_of(stream(), {1, 1, 3, 1}, {1, 10, 100}), dx = unwritten(stream(), {1, 1, 2, 1});
  if (!device().is_cuda()) {
    EXPECT_THROW(gather(stream(), {x, rows, y}), ShapeError);
    EXPECT_THROW(gather_backward(stream(), {rows, dy, dx}), ShapeError);
    return;
  }
  gather(stream(), {x, rows, y});
  gather_backward(stream(), {rows, dy, dx});
  const std::vector<float> taken = y.to_host(stream());
  EXPECT_TRUE(std::isnan(taken[0]) && std::isnan(taken[1]));
  EXPECT_EQ(taken[2], 6);
  EXPECT_EQ(dx.to_host(stream()), (std::vector<float>{0, 100}));
}

TEST_P(Rearrange, RefusesWhatDoesNotFit) {
  const Tensor x = Tensor::zeros(stream(), {1, 1, 2, 3}), y = Tensor::zeros(stream(), {1, 1, 3, 2});
  EXPECT_THROW(permute(stream(), {x, y, {0, 1, 2, 3}}), ShapeError);
  EXPECT_THROW(permute(stream(), {x, y, {0, 1, 3, 3}}), ShapeError);
  EXPECT_THROW(permute(stream(), {x, y, {0, 1, 4, 2}}), ShapeError);
  EXPECT_THROW(slice_out(stream(), {x, Tensor::zeros(stream(), {1, 1, 1, 3}), {0, 0, 2, 0}}), ShapeError);
  const Tensor rows = Tensor::zeros(stream(), {1, 1, 2, 1}, DType::kI32);
  EXPECT_THROW(gather(stream(), {x, rows, Tensor::zeros(stream(), {1, 1, 1, 3})}), ShapeError);
}

INSTANTIATE_ON_BACKENDS(Rearrange);

}  // namespace
}  // namespace boxcar::kernels
