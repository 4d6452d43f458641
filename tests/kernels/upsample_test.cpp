#include "boxcar/kernels/resample/upsample.h"

#include <gtest/gtest.h>

#include <tuple>

#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::inner;
using test::slice_of;
using test::unwritten;
using test::whole_values;

class Upsample : public test::BackendTest {};

TEST_P(Upsample, HandWorkedRow) {
  const Tensor x = test::tensor_of(stream(), {1, 1, 2, 2}, {1, 2, 3, 4}), dx = unwritten(stream(), {1, 1, 2, 2});
  const Tensor y = unwritten(stream(), {1, 2, 4, 2}), second = unwritten(stream(), {1, 2, 4, 1});
  upsample_forward(stream(), {x, {{{0, 2}, y}, {{1, 1}, second}}});
  EXPECT_EQ(y.to_host(stream()), (std::vector<float>{1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4}));
  EXPECT_EQ(second.to_host(stream()), (std::vector<float>{2, 2, 4, 4, 2, 2, 4, 4}));
  upsample_backward(stream(), {{{{0, 2}, y}, {{1, 1}, second}}, dx});
  EXPECT_EQ(dx.to_host(stream()), (std::vector<float>{4, 16, 12, 32}));
}

struct Case {
  const char* name;
  Shape x;
  int factor;
  DType dtype;
  std::vector<Range> ranges;  // of destinations and gradient pieces
  int first, more;            // tensors are channels from `first` on of ones with `more` channels
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const std::vector<Case> kCases = {{"one_element", {1, 1, 1, 1}, 2, DType::kF32, {{0, 1}}, 2, 3},
                                  {"none", {0, 2, 2, 4}, 2, DType::kF32, {{0, 4}}, 0, 0},
                                  {"whole", {2, 3, 5, 16}, 2, DType::kF32, {{0, 16}}, 4, 8},
                                  {"odd_parts", {1, 5, 3, 7}, 2, DType::kF32, {{0, 3}, {2, 5}, {6, 1}}, 3, 4},
                                  {"threefold", {1, 4, 3, 5}, 3, DType::kF32, {{0, 5}, {1, 2}}, 2, 3},
                                  {"unchanged_size", {1, 2, 3, 4}, 1, DType::kF32, {{0, 4}}, 1, 2},
                                  {"pairs", {1, 2, 3, 6}, 2, DType::kF32, {{0, 6}, {2, 4}}, 2, 4},
                                  {"bf16", {2, 3, 3, 9}, 2, DType::kBF16, {{0, 9}, {4, 5}}, 1, 2},
                                  {"bf16_fours", {1, 3, 2, 12}, 2, DType::kBF16, {{0, 12}, {4, 8}}, 4, 8},
                                  {"bf16_eights", {1, 3, 2, 24}, 2, DType::kBF16, {{0, 24}, {8, 16}}, 8, 16},
                                  {"bf16_many_channels", {1, 1, 2, 272}, 2, DType::kBF16, {{0, 272}}, 0, 0}};

class UpsampleAdjoint : public testing::TestWithParam<std::tuple<Device, Case>> {};

// The op takes x to all destinations; its adjoint adds up what comes back from each of them. Sums of at most
// 3 pieces * 9 pixels * 5: whole numbers that bf16 holds.
TEST_P(UpsampleAdjoint, OfDestinationsAndPieces) {
  const auto& [device, c] = GetParam();
  const std::vector<float> values = whole_values(c.x.count(), 5, 1);
  std::vector<float> grads;
  std::size_t part_count = 0;
  const std::vector<float> got = test::run_on(device, [&, &c = c](Stream& stream) {
    const Tensor x = slice_of(stream, c.x, values, c.dtype, c.first, c.x.c + c.more),
                 dx = unwritten(stream, c.x, c.dtype);
    UpsampleForwardArgs forward{x, {}, c.factor};
    UpsampleBackwardArgs backward{{}, dx, c.factor};
    std::vector<Tensor> to, from;
    grads.clear();
    for (const Range& of : c.ranges) {
      const Shape part{c.x.n, c.x.h * c.factor, c.x.w * c.factor, of.count};
      const std::vector<float> grad = whole_values(part.count(), 5, 10 + static_cast<unsigned>(to.size()));
      to.push_back(unwritten(stream, {part.n, part.h, part.w, of.count + c.more}, c.dtype).channels(c.first, of.count));
      from.push_back(slice_of(stream, part, grad, c.dtype, c.first, of.count + c.more));
      forward.to.push_back({of, to.back()});
      backward.from.push_back({of, from.back()});
      test::append(grads, grad);
    }
    upsample_forward(stream, forward);
    upsample_backward(stream, backward);
    std::vector<float> all;
    for (const Tensor& t : to) test::append(all, t.to_host(stream));
    part_count = all.size();
    test::append(all, dx.to_host(stream));
    return all;
  });
  const auto middle = got.begin() + static_cast<std::ptrdiff_t>(part_count);
  EXPECT_EQ(inner({middle, got.end()}, values), inner(grads, {got.begin(), middle}));
}

INSTANTIATE_TEST_SUITE_P(Cases, UpsampleAdjoint,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::ValuesIn(kCases)),
                         [](const auto& each) {
                           const bool cuda = std::get<0>(each.param).is_cuda();
                           return std::string(cuda ? "cuda_" : "cpu_") + std::get<1>(each.param).name;
                         });

TEST_P(Upsample, RefusesWhatDoesNotFit) {
  const Tensor x = unwritten(stream(), {1, 2, 2, 3}), y = unwritten(stream(), {1, 4, 4, 3});
  EXPECT_THROW(upsample_forward(stream(), {x, {{{0, 3}, y}}, 3}), ShapeError);
  EXPECT_THROW(upsample_forward(stream(), {x, {{{1, 3}, y}}}), ShapeError);
  EXPECT_THROW(upsample_forward(stream(), {x, {{{0, 3}, unwritten(stream(), {1, 4, 4, 3}, DType::kBF16)}}}),
               ShapeError);
  EXPECT_THROW(upsample_backward(stream(), {{{{0, 2}, y}}, x}), ShapeError);
}

INSTANTIATE_ON_BACKENDS(Upsample);

}  // namespace
}  // namespace boxcar::kernels
