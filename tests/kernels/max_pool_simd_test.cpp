#include "support/simd.h"  // before any header of Highway

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "boxcar/kernels/pool/max_pool_plain.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::random_values;

struct Case {
  Shape x;
  PoolOptions options;
  DType dtype;
  bool with_nan;
};

Case awkward_case(int i) {
  constexpr PoolOptions kOptions[] = {{5, 1, 2}, {2, 2, 0}, {3, 2, 1}, {16, 8, 8}};
  const Shape x{1 + i % 2, 16 + i % 4, 16 + i % 3, 1 + i % 40};
  return {x, kOptions[i % 4], i % 3 ? DType::kF32 : DType::kBF16, i % 5 == 0};
}

using Forward = void (*)(Stream&, const MaxPoolForwardArgs&);
using Backward = void (*)(Stream&, const MaxPoolBackwardArgs&);

// Many ties, so that which of equal values wins shows.
std::vector<float> tied_values(const Case& c) {
  std::vector<float> values = random_values(c.x.count(), 1);
  for (float& value : values) value = std::floor(value);
  if (c.with_nan) values[values.size() / 2] = std::nanf("");
  return values;
}

std::vector<float> run(const Case& c, Forward forward, Backward backward) {
  Stream stream(Device::cpu(), {.threads = 2});
  const Shape y_shape{c.x.n, pool_output_size(c.x.h, c.options), pool_output_size(c.x.w, c.options), c.x.c};
  const Tensor x = test::slice_of(stream, c.x, tied_values(c), c.dtype, 2, c.x.c + 3);
  const Tensor dy = test::slice_of(stream, y_shape, random_values(y_shape.count(), 2), c.dtype, 1, c.x.c + 3);
  const Tensor y = test::unwritten(stream, y_shape, c.dtype);
  const Tensor dx = test::unwritten(stream, c.x, c.dtype);
  const Tensor added = test::tensor_of(stream, c.x, random_values(c.x.count(), 3), c.dtype);
  std::vector<std::uint8_t> winners(static_cast<std::size_t>(y_shape.count()), 255);
  forward(stream, {x, y, winners.data(), c.options});
  backward(stream, {dy, winners.data(), dx, c.options});
  backward(stream, {dy, winners.data(), added, c.options, GradMode::kAdd});
  std::vector<float> out = y.to_host(stream);
  test::append(out, dx.to_host(stream));
  test::append(out, added.to_host(stream));
  out.insert(out.end(), winners.begin(), winners.end());
  return out;
}

TEST(MaxPoolSimd, EqualsThePlainLoopsToTheBit) {
  test::on_every_target([] {
    for (int i = 0; i < 80; ++i) {
      const Case c = awkward_case(i);
      const auto want = run(c, cpu::plain::max_pool_forward, cpu::plain::max_pool_backward);
      const auto got = run(c, max_pool_forward, max_pool_backward);
      ASSERT_EQ(got.size(), want.size());
      for (std::size_t k = 0; k < want.size(); ++k) {
        ASSERT_TRUE(got[k] == want[k] || (std::isnan(got[k]) && std::isnan(want[k]))) << i << ' ' << k;
      }
    }
  });
}

}  // namespace
}  // namespace boxcar::kernels
