#include "boxcar/kernels/resample/rescale.h"

#include <gtest/gtest.h>

#include "boxcar/kernels/resample/rescale_math.h"
#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::run_on;
using test::unwritten;

class Rescale : public test::BackendTest {};

TEST_P(Rescale, HandWorkedRow) {
  const Tensor x = test::tensor_of(stream(), {1, 1, 2, 1}, {0, 4}), y = unwritten(stream(), {1, 1, 4, 1});
  rescale_bilinear(stream(), {x, y});  // centres at -0.25, 0.25, 0.75, 1.25
  EXPECT_EQ(y.to_host(stream()), (std::vector<float>{0, 1, 3, 4}));
  const Tensor one = unwritten(stream(), {1, 1, 1, 1});
  rescale_bilinear(stream(), {x, one});
  EXPECT_EQ(one.to_host(stream()), (std::vector<float>{2}));
}

// Doubling: shares of quarters, and whole values: exact in f32, and rounded once to bf16.
TEST_P(Rescale, SlicesOfAllVectorWidths) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const int channels : {1, 3, 2, 4, 8, 272}) {
      const Shape from{2, 3, 2, channels}, to{2, 6, 4, channels};
      const auto values = test::whole_values(from.count(), 50, 1);
      std::vector<float> want;
      for (int n = 0; n < to.n; ++n) {
        for (int p = 0; p < to.h * to.w; ++p) {
          const LinearTap down = linear_tap(p / to.w, 0.5f, from.h), across = linear_tap(p % to.w, 0.5f, from.w);
          for (int c = 0; c < channels; ++c) {
            const auto at = [&](int y, int x) { return values[((n * from.h + y) * from.w + x) * channels + c]; };
            want.push_back(bilinear_float(at(down.first, across.first), at(down.first, across.second),
                                          at(down.second, across.first), at(down.second, across.second), across.share,
                                          down.share));
          }
        }
      }
      const int first = channels % 8 == 0 ? 8 : channels, width = channels + 2 * first;
      const auto got = run_on(device(), [&](Stream& s) {
        const Tensor y = unwritten(s, {to.n, to.h, to.w, width}, dtype).channels(first, channels);
        rescale_bilinear(s, {test::slice_of(s, from, values, dtype, first, width), y});
        return y.to_host(s);
      });
      EXPECT_EQ(got, test::rounded_to(dtype, want)) << channels;
    }
  }
}

TEST_P(Rescale, RefusesOtherBatchesChannelsAndNoPixels) {
  const Tensor x = Tensor::zeros(stream(), {1, 2, 2, 3});
  EXPECT_THROW(rescale_bilinear(stream(), {x, Tensor::zeros(stream(), {2, 2, 2, 3})}), ShapeError);
  EXPECT_THROW(rescale_bilinear(stream(), {x, Tensor::zeros(stream(), {1, 2, 2, 1})}), ShapeError);
  EXPECT_THROW(rescale_bilinear(stream(), {x, Tensor::empty(stream(), {1, 2, 2, 3}, DType::kBF16)}), ShapeError);
  TensorView none = x;
  none.h = 0;
  EXPECT_THROW(rescale_bilinear(stream(), {x, none}), ShapeError);
}

TEST_P(Rescale, GoldenMultiScale) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/data/mix.safetensors"));
  for (const std::string side : {"32", "64", "96"}) {
    const auto& want = tensors.at("ms_out_" + side);
    const int h = int(want.shape[2]), w = int(want.shape[3]);
    const auto got = run_on(device(), [&](Stream& s) {
      const auto values = test::to_nhwc(tensors.at("ms_in").floats(), 1, 3, 32, 48);
      const Tensor x = test::tensor_of(s, {1, 32, 48, 3}, values), y = unwritten(s, {1, h, w, 3});
      rescale_bilinear(s, {x, y});
      return y.to_host(s);
    });
    // CUDA rounds the coordinate once where the CPU does twice: half an ulp of 48, times a step of at most 1.
    const double tolerance = device().is_cuda() ? 3e-6 : 1e-6;
    const double worst = test::max_difference(got, test::to_nhwc(want.floats(), 1, 3, h, w));
    EXPECT_TRUE(worst <= tolerance) << side << ": " << worst;
  }
}

INSTANTIATE_ON_BACKENDS(Rescale);

}  // namespace
}  // namespace boxcar::kernels
