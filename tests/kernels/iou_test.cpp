#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "boxcar/kernels/loss/box_iou.h"
#include "boxcar/kernels/loss/iou_math.h"
#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using Box64 = BoxOf<double>;

TEST(Iou, HandWorkedValues) {
  // Two 2 x 2 squares that share a 1 x 1 corner: 1 / 7; hull 3 x 3; centres (1, 1) apart.
  const Box64 a{0, 0, 2, 2}, b{1, 1, 3, 3};
  EXPECT_NEAR(iou(IouKind::kIou, a, b), 1.0 / 7, 1e-6);
  EXPECT_NEAR(iou(IouKind::kGiou, a, b), 1.0 / 7 - 2.0 / 9, 1e-6);
  EXPECT_NEAR(iou(IouKind::kDiou, a, b), 1.0 / 7 - 2.0 / 18, 1e-6);
  EXPECT_NEAR(iou(IouKind::kCiou, a, b), 1.0 / 7 - 2.0 / 18, 1e-6);
  EXPECT_NEAR(iou(IouKind::kCiou, a, a), 1.0, 1e-6);
}

TEST(Iou, CiouPunishesAnotherAspect) {
  const Box64 wide{0, 0, 4, 1}, tall{0, 0, 1, 4};
  const double angle = std::atan(0.25) - std::atan(4.0), v = 4 / (M_PI * M_PI) * angle * angle, i = 1.0 / 7;
  EXPECT_NEAR(iou(IouKind::kDiou, wide, tall) - iou(IouKind::kCiou, wide, tall), v * v / (1 - i + v), 1e-6);
}

TEST(Iou, CoincidingSidesShareTheGradient) {
  // Equal boxes: dI = h / 2 at each side of x, dU = h - dI, so d iou = (h/2 * U - I * h/2) / U^2 = 0.
  const auto r = iou_with_grad(IouKind::kIou, Box64{0, 0, 2, 4}, Box64{0, 0, 2, 4});
  EXPECT_NEAR(r.grad.x1, 0.0, 1e-6);
  EXPECT_NEAR(r.grad.y2, 0.0, 1e-6);
  // Only x2 coincides: half of what it is for a slightly smaller x2, plus half of a slightly larger one's.
  const auto at = [](double x2) {
    return iou_with_grad(IouKind::kGiou, Box64{0, 0, x2, 1}, Box64{1, 0, 2, 2}).grad.x2;
  };
  EXPECT_NEAR(at(2.0), (at(2.0 - 1e-9) + at(2.0 + 1e-9)) / 2, 1e-6);
}

TEST(Iou, TouchingBoxesHaveNoOverlapSlope) {
  const auto r = iou_with_grad(IouKind::kIou, Box64{0, 0, 1, 1}, Box64{1, 0, 2, 1});
  EXPECT_EQ(r.value, 0.0);
  EXPECT_EQ(r.grad.x2, 0.0);
}

double numeric(IouKind kind, const Box64& a, const Box64& b, double Box64::*side, double alpha_v) {
  constexpr double kStep = 1e-6;
  Box64 low = a, high = a;
  low.*side -= kStep;
  high.*side += kStep;
  // CIoU: alpha is a constant of the gradient, so v alone is differenced.
  const auto value = [&](const Box64& box) {
    if (kind != IouKind::kCiou) return iou(kind, box, b);
    const double angle =
        std::atan((b.x2 - b.x1) / (b.y2 - b.y1 + kIouEps)) - std::atan((box.x2 - box.x1) / (box.y2 - box.y1 + kIouEps));
    return iou(IouKind::kDiou, box, b) - alpha_v * 4 / (M_PI * M_PI) * angle * angle;
  };
  return (value(high) - value(low)) / (2 * kStep);
}

double alpha_of(const Box64& a, const Box64& b) {
  const double angle =
      std::atan((b.x2 - b.x1) / (b.y2 - b.y1 + kIouEps)) - std::atan((a.x2 - a.x1) / (a.y2 - a.y1 + kIouEps));
  const double v = 4 / (M_PI * M_PI) * angle * angle;
  return v / (1 - iou(IouKind::kIou, a, b) + v + kIouEps);
}

TEST(Iou, GradientsMatchFiniteDifferences) {
  const std::array<std::pair<Box64, Box64>, 5> pairs{{{{0, 0, 3, 2}, {1, 0.5, 4, 5}},
                                                      {{2, 2, 3, 3}, {0, 0, 5, 6}},
                                                      {{0, 0, 1, 1}, {3, 4, 5, 5}},
                                                      {{-1, -2, 5, 7}, {0, 0, 1, 3}},
                                                      {{0.3, 0.1, 0.9, 4}, {0.2, 0.5, 2, 1}}}};
  for (const IouKind kind : {IouKind::kIou, IouKind::kGiou, IouKind::kDiou, IouKind::kCiou}) {
    for (const auto& [a, b] : pairs) {
      const BoxOf<double> grad = iou_with_grad(kind, a, b).grad;
      const double alpha = alpha_of(a, b);
      EXPECT_NEAR(grad.x1, numeric(kind, a, b, &Box64::x1, alpha), 1e-7);
      EXPECT_NEAR(grad.y1, numeric(kind, a, b, &Box64::y1, alpha), 1e-7);
      EXPECT_NEAR(grad.x2, numeric(kind, a, b, &Box64::x2, alpha), 1e-7);
      EXPECT_NEAR(grad.y2, numeric(kind, a, b, &Box64::y2, alpha), 1e-7);
    }
  }
}

class BoxIouTest : public test::BackendTest {};

// Pairs as slices of wider tensors. A measure and its gradient are at most 100 operations on numbers below 4, each
// rounded once or, contracted, not at all.
TEST_P(BoxIouTest, ValuesAndGradientsAreTheFormulas) {
  constexpr float kMost = 400 * 0x1p-24f;
  for (const int rows : {0, 1, 37, 300}) {
    auto a = test::random_values(4 * rows, 1), b = test::random_values(4 * rows, 2), dy = test::random_values(rows, 3);
    if (rows > 1) dy[1] = 0.0f;
    for (int r = 0; r < rows; ++r) {
      for (auto* box : {&a, &b}) {  // sides of at least 1, so that slopes stay below 4
        for (int k = 2; k < 4; ++k) (*box)[4 * r + k] = (*box)[4 * r + k - 2] + 2.5f + 0.5f * (*box)[4 * r + k];
      }
    }
    for (const IouKind kind : {IouKind::kIou, IouKind::kGiou, IouKind::kDiou, IouKind::kCiou}) {
      const auto got = test::run_on(device(), [&](Stream& s) {
        const Shape boxes{1, 1, rows, 4}, numbers{1, 1, rows, 1};
        const Tensor first = test::slice_of(s, boxes, a, DType::kF32, 1, 7), second = test::tensor_of(s, boxes, b);
        const Tensor y = test::unwritten(s, numbers), da = test::unwritten(s, boxes), db = test::unwritten(s, boxes);
        box_iou(s, {kind, first, second, y});
        box_iou_backward(s, {kind, first, second, test::tensor_of(s, numbers, dy), da, {}});
        box_iou_backward(s, {kind, first, second, test::tensor_of(s, numbers, dy), {}, db});
        std::vector<float> all = y.to_host(s);
        test::append(all, da.to_host(s));
        test::append(all, db.to_host(s));
        return all;
      });
      for (int r = 0; r < rows; ++r) {
        const BoxF one{a[4 * r], a[4 * r + 1], a[4 * r + 2], a[4 * r + 3]};
        const BoxF two{b[4 * r], b[4 * r + 1], b[4 * r + 2], b[4 * r + 3]};
        EXPECT_LE(std::fabs(got[r] - iou(kind, one, two)), kMost);
        const BoxF da = iou_gradient(kind, one, two, dy[r]), db = iou_gradient(kind, two, one, dy[r]);
        const float want[] = {da.x1, da.y1, da.x2, da.y2, db.x1, db.y1, db.x2, db.y2};
        for (int k = 0; k < 8; ++k) {
          EXPECT_LE(std::fabs(got[rows + 4 * rows * (k / 4) + 4 * r + k % 4] - want[k]), 3 * kMost);
        }
      }
    }
  }
}

TEST_P(BoxIouTest, RefusesOtherShapes) {
  const Tensor boxes = test::unwritten(stream(), {1, 1, 2, 4}), wide = test::unwritten(stream(), {1, 1, 2, 5});
  const Tensor y = test::unwritten(stream(), {1, 1, 2, 1});
  EXPECT_THROW(box_iou(stream(), {IouKind::kIou, boxes, wide, y}), ShapeError);
  EXPECT_THROW(box_iou(stream(), {IouKind::kIou, boxes, boxes, boxes}), ShapeError);
  EXPECT_THROW(box_iou_backward(stream(), {IouKind::kIou, boxes, boxes, y, wide, {}}), ShapeError);
}

INSTANTIATE_ON_BACKENDS(BoxIouTest);

struct GoldenIou : testing::Test {
  void SetUp() override {
    BOXCAR_NEED_SHARED();
    tensors = test::read_golden(test::shared("golden/loss/iou.safetensors"));
    json = test::read_json(test::shared("golden/loss/iou.json"));
  }
  template <class T>
  static BoxOf<T> box(const std::vector<T>& v, std::size_t row) {
    return {v[4 * row], v[4 * row + 1], v[4 * row + 2], v[4 * row + 3]};
  }
  std::map<std::string, test::GoldenTensor> tensors;
  nlohmann::json json;
};

/// Values to 1e-6; gradients to 1e-6 (1e-5 where they reach millions) of the largest of their kind of pairs.
template <class T>
void compare(const GoldenIou& golden, IouKind kind, const std::string& name, bool second, const std::vector<T>& value,
             const std::vector<T>& grad, const std::vector<T>& box1, const std::vector<T>& box2) {
  static const std::set<std::string> kHuge{"zero_area_box1", "tiny"};
  for (const auto& rows : golden.json["rows"]) {
    const auto first = rows["first"].get<std::size_t>(), end = first + rows["count"].get<std::size_t>();
    double largest = 0, value_error = 0, grad_error = 0;
    const auto worse = [](double& worst, double d) {
      if (!(d <= worst)) worst = std::isnan(d) ? HUGE_VAL : d;
    };
    for (std::size_t r = first; r < end; ++r) {
      const auto a = GoldenIou::box(second ? box2 : box1, r), b = GoldenIou::box(second ? box1 : box2, r);
      const auto got = iou_with_grad(kind, a, b);
      worse(value_error, std::abs(double(got.value - value[r])));
      const std::array<T, 4> g{got.grad.x1, got.grad.y1, got.grad.x2, got.grad.y2};
      for (int k = 0; k < 4; ++k) {
        largest = std::max(largest, std::abs(double(grad[4 * r + k])));
        worse(grad_error, std::abs(double(g[k] - grad[4 * r + k])));
      }
    }
    const double tolerance = kHuge.count(rows["kind"]) ? 1e-5 : 1e-6;
    EXPECT_TRUE(value_error <= 1e-6) << name << ' ' << rows["kind"] << ": " << value_error;
    EXPECT_TRUE(grad_error <= tolerance * std::max(largest, 1.0))
        << name << ' ' << rows["kind"] << (second ? " box2" : "") << ": " << grad_error << " of " << largest;
  }
}

TEST_F(GoldenIou, ValuesAndGradientsAgree) {
  const auto box1 = tensors.at("box1").floats(), box2 = tensors.at("box2").floats();
  for (const auto& [kind, name] : {std::pair{IouKind::kIou, "iou"}, std::pair{IouKind::kGiou, "giou"},
                                   std::pair{IouKind::kDiou, "diou"}, std::pair{IouKind::kCiou, "ciou"}}) {
    const auto value = tensors.at(name).floats();
    const std::string n = name;
    compare(*this, kind, n, false, value, tensors.at(n + "_grad_box1").floats(), box1, box2);
    // All measures are symmetric, so the gradient of the second box is that of the first with the two exchanged.
    compare(*this, kind, n, true, value, tensors.at(n + "_grad_box2").floats(), box1, box2);
  }
}

TEST_F(GoldenIou, DoubleAgrees) {
  const auto box1 = tensors.at("box1").doubles(), box2 = tensors.at("box2").doubles();
  compare(*this, IouKind::kCiou, "ciou_f64", false, tensors.at("ciou_f64").doubles(),
          tensors.at("ciou_f64_grad_box1").doubles(), box1, box2);
}

}  // namespace
}  // namespace boxcar::kernels
