#include "support/simd.h"  // before any header of Highway

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "boxcar/kernels/conv/depthwise.h"
#include "boxcar/kernels/conv/depthwise_plain.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::random_values;

struct Case {
  Shape x;
  ConvOptions options;
  DType dtype;
  bool sliced;
};

Case awkward_case(int i) {
  const int channels = 1 + i % 40, kernel = i % 5 == 4 ? 1 + 2 * (i / 5 % 3) : 3;
  ConvOptions o{kernel, i % 4 == 3 ? 2 : 1, i % 7 == 6 ? 0 : kernel / 2, i % 9 == 8 ? 2 : 1, channels};
  return {{1 + i % 2, 5 + i % 6, 5 + i % 8, channels}, o, i % 3 == 2 ? DType::kBF16 : DType::kF32, i % 2 == 1};
}

struct Functions {
  void (*forward)(Stream&, const ConvForwardArgs&);
  void (*backward_input)(Stream&, const ConvBackwardInputArgs&);
  void (*backward_weight)(Stream&, const ConvBackwardWeightArgs&);
};
constexpr Functions kPlain{cpu::plain::depthwise_forward, cpu::plain::depthwise_backward_input,
                           cpu::plain::depthwise_backward_weight};
constexpr Functions kSimd{cpu::depthwise_forward, cpu::depthwise_backward_input, cpu::depthwise_backward_weight};

std::vector<float> run(const Case& c, const Functions& f, int threads) {
  Stream stream(Device::cpu(), {.threads = threads});
  const int channels = c.x.c;
  const Shape y_shape = conv_output_shape(c.x, channels, c.options);
  const Shape w_shape = conv_weight_shape(channels, channels, c.options);
  const Tensor x = c.sliced ? test::slice_of(stream, c.x, random_values(c.x.count(), 1), c.dtype, 3, channels + 4)
                            : test::tensor_of(stream, c.x, random_values(c.x.count(), 1), c.dtype);
  const Tensor w = test::tensor_of(stream, w_shape, random_values(w_shape.count(), 2), c.dtype);
  const Tensor dy = test::tensor_of(stream, y_shape, random_values(y_shape.count(), 3), c.dtype);
  const Tensor y = test::unwritten(stream, y_shape, c.dtype), dx = test::unwritten(stream, c.x, c.dtype);
  const Tensor dw = test::tensor_of(stream, w_shape, random_values(w_shape.count(), 5));
  std::vector<float> bias = random_values(channels, 4), dbias(bias);
  f.forward(stream, {x, w, bias.data(), y, c.options});
  f.backward_input(stream, {dy, w, dx, c.options});
  f.backward_weight(stream, {x, dy, dw, dbias.data(), c.options, GradMode::kAdd});
  std::vector<float> out = y.to_host(stream);
  test::append(out, dx.to_host(stream));
  test::append(out, dw.to_host(stream));
  test::append(out, dbias);
  return out;
}

TEST(DepthwiseSimd, EqualsThePlainLoops) {
  test::on_every_target([] {
    for (int i = 0; i < 300; ++i) {
      const Case c = awkward_case(i);
      const std::vector<float> want = run(c, kPlain, 1), got = run(c, kSimd, 1);
      ASSERT_EQ(run(c, kSimd, 3), got) << "threads " << i;
      for (std::size_t k = 0; k < want.size(); ++k) {
        const float tolerance = c.dtype == DType::kF32 ? 1e-5f : 8e-3f;
        const float error = std::abs(got[k] - want[k]);
        ASSERT_TRUE(error <= tolerance * (4.0f + std::abs(want[k])))
            << i << ' ' << k << ' ' << got[k] << ' ' << want[k];
      }
    }
  });
}

}  // namespace
}  // namespace boxcar::kernels
