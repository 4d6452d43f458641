#include "boxcar/kernels/activation/activation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

TEST(Activation, HandWorkedValues) {
  EXPECT_DOUBLE_EQ(silu(0.0), 0.0);
  EXPECT_NEAR(silu(1.0), 0.7310585786300049, 1e-15);
  EXPECT_DOUBLE_EQ(silu_grad(0.0), 0.5);
  EXPECT_DOUBLE_EQ(activate(Act{ActKind::kLeakyRelu, 0.25f}, -2.0), -0.5);
  EXPECT_DOUBLE_EQ(activate(Act{ActKind::kRelu6}, 7.0), 6.0);
  EXPECT_DOUBLE_EQ(activate(Act{ActKind::kHardswish}, 1.0), 4.0 / 6.0);
}

TEST(Activation, GradientsMatchFiniteDifferences) {
  constexpr double kStep = 1e-6;
  for (int kind = 0; kind <= static_cast<int>(ActKind::kSigmoid); ++kind) {
    const Act act{static_cast<ActKind>(kind), 0.1f};
    for (const double x : {-7.3, -2.9, -0.7, -0.01, 0.02, 0.9, 2.9, 5.7, 8.1}) {
      const double numeric = (activate(act, x + kStep) - activate(act, x - kStep)) / (2 * kStep);
      EXPECT_NEAR(activate_grad(act, x), numeric, 1e-8) << "kind " << kind << " at " << x;
    }
  }
}

using test::random_values;
using test::rounded_to;
using test::run_on;
using test::slice_of;
using test::tensor_of;
using test::unwritten;

// A tensor as channels first..first+shape.c-1 of a wider one.
struct Layout {
  Shape shape;
  int first, width;
};
const Layout kLayouts[] = {
    {{1, 1, 1, 1}, 0, 1},      // one value
    {{1, 0, 3, 4}, 0, 4},      // none
    {{2, 3, 5, 7}, 0, 7},      // odd
    {{2, 3, 5, 6}, 2, 10},     // pairs
    {{1, 5, 3, 12}, 4, 20},    // fours
    {{1, 9, 5, 16}, 8, 32},    // eights in bf16
    {{1, 9, 5, 16}, 3, 24},    // a slice at an odd place
    {{1, 3, 2, 264}, 0, 264},  // more channels than a block has lanes
};

class ActivationTest : public test::BackendTest {
 protected:
  // Near: half a unit in the last place of T, and a few roundings in f32.
  static void expect_near(const std::vector<float>& got, const std::vector<double>& want, DType dtype) {
    ASSERT_EQ(got.size(), want.size());
    const double relative = dtype == DType::kBF16 ? 0x1p-8 : 0.0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double most = relative * std::abs(want[i]) + 2e-6 * std::max(1.0, std::abs(want[i]));
      ASSERT_TRUE(std::abs(got[i] - want[i]) <= most) << got[i] << " for " << want[i] << " at " << i;
    }
  }
};

TEST_P(ActivationTest, ForwardMatchesTheFormulaInDouble) {
  for (int kind = 0; kind <= static_cast<int>(ActKind::kSigmoid); ++kind) {
    const Act act{static_cast<ActKind>(kind), 0.1f};
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      const Shape shape{2, 3, 4, 5};
      const auto x = rounded_to(dtype, random_values(shape.count(), 7));
      std::vector<double> want;
      for (const float v : x) want.push_back(activate(act, double{v}));
      const auto y = run_on(device(), [&](Stream& s) {
        const Tensor in = tensor_of(s, shape, x, dtype), out = unwritten(s, shape, dtype);
        activation_forward(s, {in, out, act});
        return out.to_host(s);
      });
      expect_near(y, want, dtype);
    }
  }
}

TEST_P(ActivationTest, BackwardMatchesTheFormulaInDoubleForEveryKind) {
  for (int kind = 0; kind <= static_cast<int>(ActKind::kSigmoid); ++kind) {
    const Act act{static_cast<ActKind>(kind), 0.1f};
    const Shape shape{1, 3, 4, 8};
    const auto x = random_values(shape.count(), 8), dy = random_values(shape.count(), 9);
    std::vector<double> want;
    for (std::size_t i = 0; i < x.size(); ++i) want.push_back(dy[i] * activate_grad(act, double{x[i]}));
    const auto dx = run_on(device(), [&](Stream& s) {
      const Tensor out = unwritten(s, shape);
      activation_backward(s, {tensor_of(s, shape, x), tensor_of(s, shape, dy), out, act});
      return out.to_host(s);
    });
    expect_near(dx, want, DType::kF32);
  }
}

TEST_P(ActivationTest, LayoutsOfAllVectorWidths) {
  const Act act{ActKind::kSilu};
  std::set<int> widths;
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const Layout& layout : kLayouts) {
      const auto x = rounded_to(dtype, random_values(layout.shape.count(), 1));
      const auto dy = rounded_to(dtype, random_values(layout.shape.count(), 2));
      const auto old = rounded_to(dtype, random_values(layout.shape.count(), 3));
      std::vector<double> want;
      for (const float v : x) want.push_back(silu(double{v}));
      for (std::size_t i = 0; i < x.size(); ++i) want.push_back(dy[i] * silu_grad(double{x[i]}));
      for (std::size_t i = 0; i < x.size(); ++i) want.push_back(old[i] + dy[i] * silu_grad(double{x[i]}));
      const auto got = run_on(device(), [&](Stream& s) {
        const auto place = [&](const std::vector<float>& v) {
          return slice_of(s, layout.shape, v, dtype, layout.first, layout.width);
        };
        const Tensor in = place(x), gradient = place(dy), dx = place(old), sum = place(old);
        widths.insert(in.view().vector_width());
        activation_backward(s, {in, gradient, dx, act, GradMode::kOverwrite});
        activation_backward(s, {in, gradient, sum, act, GradMode::kAdd});
        activation_forward(s, {in, in, act});
        std::vector<float> all = in.to_host(s);
        test::append(all, dx.to_host(s));
        test::append(all, sum.to_host(s));
        return all;
      });
      expect_near(got, want, dtype);
    }
  }
  EXPECT_EQ(widths, (std::set<int>{1, 2, 4, 8}));
}

TEST_P(ActivationTest, ChannelsBesideASliceStayAsTheyAre) {
  const Tensor wide = tensor_of(stream(), {1, 1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor part = wide.channels(1, 2);
  activation_forward(stream(), {part, part, {ActKind::kLeakyRelu, 0.0f}});
  activation_backward(stream(), {part, part, part, {ActKind::kIdentity}, GradMode::kAdd});
  EXPECT_EQ(wide.to_host(stream()), (std::vector<float>{1, 4, 6, 4, 5, 12, 14, 8}));
}

TEST_P(ActivationTest, RefusesShapesAndTypesThatDiffer) {
  const Tensor a = unwritten(stream(), {1, 2, 2, 3}), b = unwritten(stream(), {1, 2, 2, 4});
  const Tensor narrow = unwritten(stream(), {1, 2, 2, 3}, DType::kBF16);
  const Tensor bytes = unwritten(stream(), {1, 2, 2, 3}, DType::kU8);
  EXPECT_THROW(activation_forward(stream(), {a, b, {}}), ShapeError);
  EXPECT_THROW(activation_forward(stream(), {a, narrow, {}}), ShapeError);
  EXPECT_THROW(activation_forward(stream(), {bytes, bytes, {}}), ShapeError);
  EXPECT_THROW(activation_backward(stream(), {a, b, a, {}}), ShapeError);
  EXPECT_THROW(activation_backward(stream(), {a, a, narrow, {}}), ShapeError);
}

INSTANTIATE_ON_BACKENDS(ActivationTest);

}  // namespace
}  // namespace boxcar::kernels
