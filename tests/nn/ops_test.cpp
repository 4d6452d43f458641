#include "boxcar/nn/autograd/ops/ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/modules/linear.h"
#include "boxcar/runtime/base/error.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace boxcar::nn {
namespace {

using Inputs = std::vector<Value>;
using Function = std::function<Value(const Inputs&)>;

struct Argument {
  Shape shape;
  std::vector<float> values;
};

/// random values in low..high.
Argument random(Shape shape, unsigned seed, float low = -3, float high = 3) {
  std::vector<float> values = test::random_values(shape.count(), seed);
  for (float& v : values) v = low + (v + 3) / 6 * (high - low);
  return {shape, values};
}

Inputs values_of(Context& context, const std::vector<Argument>& arguments) {
  Inputs inputs;
  for (const Argument& a : arguments) {
    inputs.emplace_back(context, Tensor::from(context.stream(), a.shape, a.values), true);
  }
  return inputs;
}

/// sum(f(inputs) * r) with fixed r in -3..3, added up in double.
double probe(const std::vector<Argument>& arguments, const Function& f) {
  Stream stream;
  Context context(stream, Pass::kEvaluate);
  const std::vector<float> y = f(values_of(context, arguments)).to_host();
  const std::vector<float> r = test::random_values(static_cast<std::int64_t>(y.size()), 99);
  double total = 0;
  for (std::size_t i = 0; i < y.size(); ++i) total += double{y[i]} * r[i];
  return total;
}

std::vector<std::vector<float>> gradients(const std::vector<Argument>& arguments, const Function& f) {
  Stream stream;
  Context context(stream);
  const Inputs inputs = values_of(context, arguments);
  const Value y = f(inputs);
  y.add_grad(stream, Tensor::from(stream, y.shape(), test::random_values(y.shape().count(), 99)), Own::kExclusive);
  context.backward();
  std::vector<std::vector<float>> out;
  for (const Value& x : inputs) {
    out.push_back(x.grad().empty() ? std::vector<float>(x.shape().count()) : x.grad().as_one(stream).to_host(stream));
  }
  return out;
}

/// Central differences of step h. f32 results carry an error of about 2^-24 of their size (a few times over for
/// compositions); each difference sees it from every element that depends on the input, divided by 2h. With values
/// and weights of order 10 and h = 2^-7 that is some 1e-4 of the largest gradient; the truncation h^2 f'''/6 some 1e-4.
void check(const std::vector<Argument>& arguments, const Function& f, double tolerance = 2e-3) {
  constexpr float kStep = 1.0f / 128;
  const auto grads = gradients(arguments, f);
  for (std::size_t k = 0; k < arguments.size(); ++k) {
    double largest = 1;
    for (const float g : grads[k]) largest = std::max(largest, std::abs(double{g}));
    for (std::size_t i = 0; i < arguments[k].values.size(); ++i) {
      std::vector<Argument> low = arguments, high = arguments;
      low[k].values[i] -= kStep;
      high[k].values[i] += kStep;
      const double slope = (probe(high, f) - probe(low, f)) / (double{high[k].values[i]} - double{low[k].values[i]});
      EXPECT_TRUE(std::abs(slope - grads[k][i]) <= tolerance * largest)
          << "input " << k << " element " << i << ": " << slope << " but " << grads[k][i];
    }
  }
}

Argument away_from_zero(Shape shape, unsigned seed) {
  Argument a = random(shape, seed);
  for (float& v : a.values) v += v < 0 ? -0.1f : 0.1f;
  return a;
}

TEST(Ops, GradientsOfFunctionsOfOneArgument) {
  const Shape s{2, 2, 2, 3};
  const std::vector<std::pair<const char*, Function>> any{
      {"exp", [](const Inputs& x) { return exp(x[0]); }},
      {"square", [](const Inputs& x) { return square(x[0]); }},
      {"abs", [](const Inputs& x) { return abs(x[0]); }},
      {"sigmoid", [](const Inputs& x) { return sigmoid(x[0]); }},
      {"silu", [](const Inputs& x) { return silu(x[0]); }},
      {"relu", [](const Inputs& x) { return relu(x[0]); }},
      {"softplus", [](const Inputs& x) { return softplus(x[0]); }},
      {"minus", [](const Inputs& x) { return -x[0]; }},
      {"clamp", [](const Inputs& x) { return clamp(x[0], -1e-3f, 100); }}};
  for (const auto& [name, f] : any) {
    SCOPED_TRACE(name);
    check({away_from_zero(s, 1)}, f);
  }
  check({random(s, 2, 0.3f, 3)}, [](const Inputs& x) { return log(x[0]); });
  check({random(s, 3, 0.3f, 3)}, [](const Inputs& x) { return sqrt(x[0]); });
  check({random(s, 3, 0.5f, 2)}, [](const Inputs& x) { return pow(x[0], -1.5f); });
}

TEST(Ops, GradientsWithBroadcasting) {
  const std::vector<Function> functions{[](const Inputs& x) { return x[0] + x[1]; },
                                        [](const Inputs& x) { return x[0] - x[1]; },
                                        [](const Inputs& x) { return x[0] * x[1]; },
                                        [](const Inputs& x) { return x[0] / x[1]; },
                                        [](const Inputs& x) { return pow(x[0], x[1]); },
                                        [](const Inputs& x) { return min(x[0], x[1]); },
                                        [](const Inputs& x) { return max(x[0], x[1]); },
                                        [](const Inputs& x) { return where(greater(x[0], 1.0f), x[0] * 2, x[1]); }};
  for (std::size_t i = 0; i < functions.size(); ++i) {
    SCOPED_TRACE(i);
    // Grids that keep 0.05 from each other and from 1, so that no step crosses a kink.
    Argument a{{2, 1, 3, 2}, {}}, b{{1, 2, 1, 2}, {}};
    for (int k = 0; k < 12; ++k) a.values.push_back(0.65f + 0.2f * float(k * 5 % 12));
    for (int k = 0; k < 4; ++k) b.values.push_back(0.75f + 0.4f * float(k * 3 % 4));
    check({a, b}, functions[i]);
  }
}

TEST(Ops, GradientsOfReductions) {
  const Argument x = random({2, 3, 2, 3}, 5);
  check({x}, [](const Inputs& v) { return sum(v[0]); });
  check({x}, [](const Inputs& v) { return sum(v[0], {0, 2}); });
  check({x}, [](const Inputs& v) { return mean(v[0], {1, 3}); });
  check({x}, [](const Inputs& v) { return softmax(v[0]); });
  check({x}, [](const Inputs& v) { return log_softmax(v[0]); });
  Argument spaced{{1, 2, 3, 4}, {}};
  for (int k = 0; k < 24; ++k) spaced.values.push_back(0.1f * float(k * 7 % 24));
  check({spaced}, [](const Inputs& v) { return max(v[0], {1, 3}); });
}

TEST(Ops, GradientsOfMatrixProductsAndMoves) {
  check({random({2, 3, 2, 4}, 6), random({2, 1, 4, 3}, 7)}, [](const Inputs& v) { return matmul(v[0], v[1]); });
  check({random({1, 2, 3, 4}, 8)}, [](const Inputs& v) { return permute(v[0], {3, 0, 2, 1}); });
  check({random({1, 2, 3, 4}, 8)}, [](const Inputs& v) { return reshape(v[0], {2, 1, 2, 6}); });
  check({random({2, 2, 3, 4}, 8)}, [](const Inputs& v) { return slice(v[0], 2, 1, 2); });
  check({random({1, 2, 3, 2}, 8), random({1, 2, 1, 2}, 9)}, [](const Inputs& v) {
    return concat(std::vector<Value>{v[0], v[1], v[0]}, 2);
  });
  check({random({1, 2, 3, 2}, 8)}, [](const Inputs& v) {
    static const std::int32_t kRows[] = {2, 0, 2, 1, 1, 1};
    Stream& stream = v[0].context().stream();
    const Tensor table = Tensor::empty(stream, {1, 2, 3, 1}, DType::kI32);
    stream.copy(table.view().data, kRows, sizeof(kRows));
    return gather(v[0], table);
  });
}

TEST(Ops, GradientsOfOverlaps) {
  // Boxes of about 4 x 3 that overlap, in general position. CIoU's alpha is a constant: its gradient is not the slope.
  Argument a{{2, 1, 2, 4}, {}}, b = a;
  for (int k = 0; k < 4; ++k) {
    const float t = 0.3f * float(k);
    a.values.insert(a.values.end(), {t, 0.1f, 4 + t, 3.2f + t});
    b.values.insert(b.values.end(), {1.05f, 0.55f - t, 4.45f, 3.9f});
  }
  for (const Iou kind : {Iou::iou, Iou::giou, Iou::diou}) {
    check({a, b}, [kind](const Inputs& v) { return iou(v[0], v[1], kind); });
  }
}

TEST(Ops, CiouOfGoldenPairsAndItsGradientForBoth) {
  BOXCAR_NEED_SHARED();
  const auto t = test::read_golden(test::shared("golden/loss/iou.safetensors"));
  Stream stream;
  Context context(stream);
  const int pairs = static_cast<int>(t.at("ciou").shape[0]);
  const Value a(context, Tensor::from(stream, {1, 1, pairs, 4}, t.at("box1").floats()), true);
  const Value b(context, Tensor::from(stream, {1, 1, pairs, 4}, t.at("box2").floats()), true);
  const Value y = iou(a, b, Iou::ciou);
  EXPECT_TRUE(test::max_difference(y.to_host(), t.at("ciou").floats()) <= 1e-6);
  y.add_grad(stream, Tensor::from(stream, y.shape(), std::vector<float>(pairs, 1.0f)), Own::kExclusive);
  context.backward();
  const std::vector<float> got[] = {a.grad().as_one(stream).to_host(stream), b.grad().as_one(stream).to_host(stream)};
  const std::vector<float> want[] = {t.at("ciou_grad_box1").floats(), t.at("ciou_grad_box2").floats()};
  const auto json = test::read_json(test::shared("golden/loss/iou.json"));
  for (const auto& rows : json["rows"]) {
    const std::size_t first = 4 * rows["first"].get<std::size_t>(), count = 4 * rows["count"].get<std::size_t>();
    const bool huge = rows["kind"] == "zero_area_box1" || rows["kind"] == "tiny";
    for (const int box : {0, 1}) {
      const std::vector<float> g(got[box].begin() + first, got[box].begin() + first + count);
      const std::vector<float> w(want[box].begin() + first, want[box].begin() + first + count);
      EXPECT_TRUE(test::max_difference(g, w) <= (huge ? 1e-5 : 1e-6) * std::max(1.0, test::max_abs(w)))
          << rows["kind"] << " box " << box + 1 << ": " << test::max_difference(g, w) << " of " << test::max_abs(w);
    }
  }
}

std::vector<float> run(const std::vector<Argument>& arguments, const Function& f) {
  Stream stream;
  Context context(stream, Pass::kEvaluate);
  return f(values_of(context, arguments)).to_host();
}

TEST(Ops, ByHand) {
  const Argument x{{1, 1, 2, 2}, {1, 4, 9, 16}}, row{{1, 1, 1, 2}, {10, 20}};
  const auto is = [&](const Function& f, const std::vector<float>& want) {
    const std::vector<float> got = run({x, row}, f);
    EXPECT_TRUE(test::max_difference(got, want) <= 1e-6 * test::max_abs(want)) << testing::PrintToString(got);
  };
  is([](const Inputs& v) { return sqrt(v[0]) - 1; }, {0, 1, 2, 3});
  is([](const Inputs& v) { return v[0] + v[1]; }, {11, 24, 19, 36});
  is([](const Inputs& v) { return 1.f / v[0]; }, {1, 0.25f, 1 / 9.f, 0.0625f});
  is([](const Inputs& v) { return sum(v[0]); }, {30});
  is([](const Inputs& v) { return mean(v[0], {2}); }, {5, 10});
  is([](const Inputs& v) { return max(v[0], {3}); }, {4, 16});
  is([](const Inputs& v) { return max(v[0], 5.f); }, {5, 5, 9, 16});
  is([](const Inputs& v) { return clamp(v[0], 2, 10); }, {2, 4, 9, 10});
  is([](const Inputs& v) { return pow(v[0], 0.5f); }, {1, 2, 3, 4});
  is([](const Inputs& v) { return where(less(v[0], 5.f), v[1], v[0]); }, {10, 20, 9, 16});
  is([](const Inputs& v) { return matmul(v[1], v[0]); }, {190, 360});
  is([](const Inputs& v) { return permute(v[0], {0, 1, 3, 2}); }, {1, 9, 4, 16});
  is([](const Inputs& v) { return softmax(v[0] * 0.f); }, {0.5f, 0.5f, 0.5f, 0.5f});
  is([](const Inputs& v) { return abs(-v[0]) + relu(-v[0]); }, {1, 4, 9, 16});
  is([](const Inputs& v) { return softplus(v[0] * 1e4f); }, {1e4f, 4e4f, 9e4f, 16e4f});
}

TEST(Ops, EdgesOfSlopes) {
  // r of probe() is what reaches each element: divide it out.
  const auto slope = [](float x, const Function& f) {
    return gradients({{{1, 1, 1, 1}, {x}}}, f)[0][0] / test::random_values(1, 99)[0];
  };
  EXPECT_EQ(slope(0, [](const Inputs& v) { return sqrt(v[0]); }), 0);
  EXPECT_EQ(slope(0, [](const Inputs& v) { return abs(v[0]); }), 0);
  EXPECT_EQ(slope(0, [](const Inputs& v) { return relu(v[0]); }), 0);
  EXPECT_EQ(slope(2, [](const Inputs& v) { return clamp(v[0], -2, 2); }), 1);
  EXPECT_FLOAT_EQ(slope(2, [](const Inputs& v) { return max(v[0], 2.f); }), 0.5f);
  EXPECT_EQ(slope(0, [](const Inputs& v) { return pow(v[0], 0.f); }), 0);
  EXPECT_FLOAT_EQ(slope(3, [](const Inputs& v) { return v[0] * v[0] * v[0] + stop_gradient(v[0]); }), 27);
  const float r = test::random_values(1, 99)[0];
  EXPECT_EQ(gradients({{{1, 1, 1, 4}, {1, 7, 7, 0}}}, [](const Inputs& v) { return max(v[0]); })[0],
            (std::vector<float>{0, r / 2, r / 2, 0}));
}

TEST(Ops, CustomOp) {
  const Function cube = [](const Inputs& v) {
    return custom(
        {v[0]},
        [](Stream& stream, std::span<const Tensor> x) {
          std::vector<float> y = x[0].to_host(stream);
          for (float& e : y) e = e * e * e;
          return Tensor::from(stream, x[0].shape(), y);
        },
        [](Stream& stream, std::span<const Tensor> x, const Tensor&, const Tensor& dy) -> std::vector<Tensor> {
          std::vector<float> at = x[0].to_host(stream);
          const std::vector<float> g = dy.to_host(stream);
          for (std::size_t i = 0; i < at.size(); ++i) at[i] = 3 * at[i] * at[i] * g[i];
          return {Tensor::from(stream, x[0].shape(), at)};
        });
  };
  check({random({1, 2, 1, 3}, 4)}, cube);
  const auto bad = [](const Inputs& v) {
    return custom(
        {v[0]}, [](Stream& s, std::span<const Tensor> x) { return x[0].clone(s); },
        [](Stream&, std::span<const Tensor>, const Tensor&, const Tensor&) { return std::vector<Tensor>(); });
  };
  EXPECT_THROW(gradients({random({1, 1, 1, 2}, 4)}, bad), ShapeError);
}

TEST(Ops, RefusesWhatDoesNotFit) {
  Stream stream;
  Context context(stream);
  const Value a(context, Tensor::zeros(stream, {1, 1, 2, 3})), b(context, Tensor::zeros(stream, {1, 1, 2, 2}));
  EXPECT_THROW(a + b, ShapeError);
  EXPECT_THROW(matmul(a, b), ShapeError);
  EXPECT_THROW(sum(a, {4}), ShapeError);
  EXPECT_THROW(slice(a, 3, 2, 2), ShapeError);
  EXPECT_THROW(reshape(a, {1, 1, 1, 5}), ShapeError);
  EXPECT_THROW(permute(a, {0, 1, 2, 2}), ShapeError);
  EXPECT_THROW(iou(a, a), ShapeError);
  EXPECT_THROW(clamp(a, 1, 0), ArgumentError);
  EXPECT_THROW(Value(1.f) + Value(2.f), Error);
  EXPECT_THROW(a + Value(), Error);
  EXPECT_THROW(exp(Value()), Error);
}

TEST(Reduce, TheSameBitsForAnyNumberOfThreads) {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    Stream stream(Device::cpu(), {.threads = threads});
    Context context(stream, Pass::kEvaluate);
    const Value x(context, Tensor::from(stream, {3, 50, 41, 7}, test::random_values(3 * 50 * 41 * 7, 1)));
    std::vector<float> all = sum(exp(x)).to_host();
    test::append(all, sum(exp(x), {1, 2}).to_host());
    results.push_back(all);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

struct TwoLayers : Module {
  Linear linear{this, "linear", 3, 2};
  LayerNorm norm{this, "norm", 2};
};

TEST(Linear, ByHandAndItsGradients) {
  Stream stream;
  TwoLayers layers;
  ParamArena arena(layers, stream, 0);
  const std::vector<float> values{1, 2, 3, -1, 0, 1};  // weight: two rows
  std::copy(values.begin(), values.end(), arena.entries()[0].parameter->value.as<float>());
  arena.entries()[1].parameter->value.as<float>()[1] = 10;
  Context context(stream);
  const Value x(context, Tensor::from(stream, {1, 1, 2, 3}, {1, 1, 1, 2, 0, 1}), true);
  const Value y = layers.linear.forward(context, x);
  EXPECT_EQ(y.to_host(), (std::vector<float>{6, 10, 5, 9}));
  const std::vector<float> z = layers.norm.forward(context, y).to_host();
  EXPECT_NEAR(z[0], -1, 1e-5);
  EXPECT_NEAR(z[1], 1, 1e-5);
  y.add_grad(stream, Tensor::from(stream, {1, 1, 2, 2}, {1, 0, 0, 1}), Own::kExclusive);
  context.backward();
  EXPECT_EQ(x.grad().as_one(stream).to_host(stream), (std::vector<float>{1, 2, 3, -1, 0, 1}));
  EXPECT_EQ(arena.entries()[0].parameter->grad.to_host(stream), (std::vector<float>{1, 1, 1, 2, 0, 1}));
  EXPECT_EQ(arena.entries()[1].parameter->grad.to_host(stream), (std::vector<float>{1, 1}));
}

TEST(Linear, FilesHoldAMatrixOfOutputsByInputs) {
  Stream stream;
  Linear linear(nullptr, "linear", 3, 2);
  const std::vector<float> rows{1, 2, 3, 4, 5, 6};
  HostTensor weight{DType::kF32, {2, 3}, std::vector<std::byte>(rows.size() * sizeof(float))};
  std::copy(rows.begin(), rows.end(), weight.as<float>());
  EXPECT_EQ(load_matching(linear, {{"weight", weight}}, stream), std::vector<std::string>{"weight"});
  ParamArena arena(linear, stream, 0);
  const NamedTensors state = state_dict(arena, arena.values());
  EXPECT_EQ(state[0].second, weight);
  EXPECT_EQ(state[1].second.shape, std::vector<std::int64_t>{2});
  Context context(stream, Pass::kEvaluate);
  const Value x(context, Tensor::from(stream, {1, 1, 1, 3}, {1, 0, 2}));
  EXPECT_EQ(linear.forward(context, x).to_host(), (std::vector<float>{7, 16}));
}

}  // namespace
}  // namespace boxcar::nn
