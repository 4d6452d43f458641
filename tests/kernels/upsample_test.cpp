#include "boxcar/kernels/resample/upsample.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/base/error.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::inner;
using test::slice_of;
using test::unwritten;
using test::whole_values;

TEST(Upsample, HandWorkedRow) {
  Stream stream;
  const Tensor x = Tensor::from(stream, {1, 1, 2, 2}, {1, 2, 3, 4}), dx = unwritten(stream, {1, 1, 2, 2});
  const Tensor y = unwritten(stream, {1, 2, 4, 2}), second = unwritten(stream, {1, 2, 4, 1});
  upsample_forward(stream, {x, {{{0, 2}, y}, {{1, 1}, second}}});
  EXPECT_EQ(y.to_host(stream), (std::vector<float>{1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4}));
  EXPECT_EQ(second.to_host(stream), (std::vector<float>{2, 2, 4, 4, 2, 2, 4, 4}));
  upsample_backward(stream, {{{{0, 2}, y}, {{1, 1}, second}}, dx});
  EXPECT_EQ(dx.to_host(stream), (std::vector<float>{4, 16, 12, 32}));
}

struct Case {
  const char* name;
  Shape x;
  int factor;
  DType dtype;
  std::vector<Range> ranges;  // of destinations and gradient pieces
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const std::vector<Case> kCases = {{"one_element", {1, 1, 1, 1}, 2, DType::kF32, {{0, 1}}},
                                  {"whole", {2, 3, 5, 16}, 2, DType::kF32, {{0, 16}}},
                                  {"odd_parts", {1, 5, 3, 7}, 2, DType::kF32, {{0, 3}, {2, 5}, {6, 1}}},
                                  {"threefold", {1, 4, 3, 5}, 3, DType::kF32, {{0, 5}, {1, 2}}},
                                  {"unchanged_size", {1, 2, 3, 4}, 1, DType::kF32, {{0, 4}}},
                                  {"bf16", {2, 3, 3, 9}, 2, DType::kBF16, {{0, 9}, {4, 5}}}};

class UpsampleAdjoint : public testing::TestWithParam<Case> {};

// The op takes x to all destinations; its adjoint adds up what comes back from each of them. Sums of at most
// 3 pieces * 9 pixels * 5: whole numbers that bf16 holds.
TEST_P(UpsampleAdjoint, OfDestinationsAndPieces) {
  const Case& c = GetParam();
  const std::vector<float> values = whole_values(c.x.count(), 5, 1);
  for (const int threads : {1, 3}) {
    Stream stream(Device::cpu(), {.threads = threads});
    const Tensor x = slice_of(stream, c.x, values, c.dtype, 2, c.x.c + 3), dx = unwritten(stream, c.x, c.dtype);
    UpsampleForwardArgs forward{x, {}, c.factor};
    UpsampleBackwardArgs backward{{}, dx, c.factor};
    std::vector<Tensor> to, from;
    std::vector<std::vector<float>> grads;
    for (const Range& of : c.ranges) {
      const Shape part{c.x.n, c.x.h * c.factor, c.x.w * c.factor, of.count};
      to.push_back(unwritten(stream, {part.n, part.h, part.w, of.count + 4}, c.dtype).channels(3, of.count));
      grads.push_back(whole_values(part.count(), 5, 10 + static_cast<unsigned>(grads.size())));
      from.push_back(slice_of(stream, part, grads.back(), c.dtype, 1, of.count + 2));
      forward.to.push_back({of, to.back()});
      backward.from.push_back({of, from.back()});
    }
    upsample_forward(stream, forward);
    upsample_backward(stream, backward);
    double outputs = 0;
    for (std::size_t i = 0; i < to.size(); ++i) outputs += inner(grads[i], to[i].to_host(stream));
    EXPECT_EQ(inner(dx.to_host(stream), values), outputs);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, UpsampleAdjoint, testing::ValuesIn(kCases),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(Upsample, RefusesWhatDoesNotFit) {
  Stream stream;
  const Tensor x = unwritten(stream, {1, 2, 2, 3}), y = unwritten(stream, {1, 4, 4, 3});
  EXPECT_THROW(upsample_forward(stream, {x, {{{0, 3}, y}}, 3}), ShapeError);
  EXPECT_THROW(upsample_forward(stream, {x, {{{1, 3}, y}}}), ShapeError);
  EXPECT_THROW(upsample_forward(stream, {x, {{{0, 3}, unwritten(stream, {1, 4, 4, 3}, DType::kBF16)}}}), ShapeError);
  EXPECT_THROW(upsample_backward(stream, {{{{0, 2}, y}}, x}), ShapeError);
}

}  // namespace
}  // namespace boxcar::kernels
