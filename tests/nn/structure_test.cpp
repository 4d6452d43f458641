// Concatenation, channel ranges, enlargement, pooling and addition on the tape: gradients by the adjoint identity.
#include "boxcar/nn/autograd/ops/structure.h"

#include <gtest/gtest.h>

#include <functional>

#include "boxcar/runtime/base/error.h"
#include "support/tensors.h"

namespace boxcar::nn {
namespace {

using test::inner;
using test::whole_values;
using Inputs = std::vector<Value>;

// <dy, y> = the sum of <dx, x> over the inputs, for y linear in all of them: exact, the values being whole.
void check(const std::vector<Shape>& shapes, const std::function<Value(Context&, const Inputs&)>& op) {
  for (const int threads : {1, 3}) {
    Stream stream(Device::cpu(), {.threads = threads});
    Context context(stream);
    Inputs inputs;
    std::vector<std::vector<float>> values;
    for (const Shape& shape : shapes) {
      values.push_back(whole_values(shape.count(), 9, static_cast<unsigned>(values.size())));
      // Apart in memory, as parts of a wider tensor are.
      inputs.emplace_back(context, test::slice_of(stream, shape, values.back(), DType::kF32, 1, shape.c + 3), true);
    }
    const Value y = op(context, inputs);
    const std::vector<float> dy = whole_values(y.shape().count(), 9, 99);
    const double outputs = inner(dy, y.to_host());
    y.add_grad(stream, Tensor::from(stream, y.shape(), dy), Own::kExclusive);
    context.backward();
    double sum = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      sum += inner(inputs[i].grad().as_one(stream).to_host(stream), values[i]);
    }
    EXPECT_EQ(sum, outputs);
  }
}

TEST(Structure, AdjointOfConcat) {
  const Shape a{2, 3, 5, 1}, b{2, 3, 5, 7}, c{2, 3, 5, 16};
  check({a}, [](Context& context, const Inputs& x) { return concat(context, x); });
  check({a, b, c}, [](Context& context, const Inputs& x) { return concat(context, x); });
  check({a, b}, [](Context& context, const Inputs& x) {
    return concat(context, std::vector<Value>{x[1], x[0], x[1]});  // its gradients add up
  });
  check({c, b}, [](Context& context, const Inputs& x) {
    return concat(context, std::vector<Value>{channels(x[0], {3, 5}), x[1], channels(x[0], {6, 10})});
  });
}

TEST(Structure, AdjointOfEnlargementPoolingAndAddition) {
  check({{2, 3, 5, 7}}, [](Context& context, const Inputs& x) { return upsample(context, x[0], 3); });
  check({{2, 3, 5, 7}}, [](Context& context, const Inputs& x) { return max_pool(context, x[0], {3, 2, 1}); });
  check({{1, 4, 3, 9}, {1, 4, 3, 9}}, [](Context& context, const Inputs& x) { return add(context, x[0], x[1]); });
  check({{1, 4, 3, 9}}, [](Context& context, const Inputs& x) {
    const Value pooled = max_pool(context, x[0], {5, 1, 2});
    return add(context, concat(context, std::vector<Value>{x[0], pooled}),
               concat(context, std::vector<Value>{pooled, x[0]}));
  });
}

// Parts that are made where the concat will want them: the same sums, and no copy.
TEST(Structure, AdjointOfPlacedParts) {
  check({{1, 2, 3, 5}, {1, 2, 3, 4}}, [](Context& context, const Inputs& x) {
    const Wide wide(9);
    const Place first{wide, 0, {0, 5}}, second{wide, 5, {0, 4}};
    const Value a = upsample(context, x[0], 2, {&first, 1}), b = upsample(context, x[1], 2, {&second, 1});
    const Value y = concat(context, std::vector<Value>{a, b});
    EXPECT_EQ(context.copies(), 0);
    return y;
  });
}

TEST(Structure, RefusesWhatDoesNotFit) {
  Stream stream;
  Context context(stream);
  const Value a(context, Tensor::zeros(stream, {1, 2, 2, 3})), b(context, Tensor::zeros(stream, {1, 2, 3, 3}));
  EXPECT_THROW(concat(context, std::vector<Value>{a, b}), ShapeError);
  EXPECT_THROW(concat(context, {}), ShapeError);
  EXPECT_THROW(add(context, a, b), ShapeError);
  EXPECT_THROW(max_pool(context, a, {5, 1, 0}), ShapeError);
}

}  // namespace
}  // namespace boxcar::nn
