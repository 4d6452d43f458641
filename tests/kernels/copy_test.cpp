#include "boxcar/kernels/common/copy.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::random_values;
using test::rounded_to;
using test::slice_of;
using test::unwritten;

// Where a tensor's channels lie: from `first` on, in a tensor of c + `more`.
struct Place {
  int first, more;
};
struct Layout {
  Shape shape;
  Place from, to;
};

const Layout kLayouts[] = {
    {{1, 1, 1, 1}, {0, 0}, {0, 0}},  {{0, 3, 3, 4}, {0, 0}, {0, 0}},   {{2, 3, 5, 7}, {0, 0}, {0, 0}},
    {{1, 8, 6, 3}, {0, 0}, {0, 0}},  {{2, 3, 5, 7}, {3, 4}, {0, 0}},   {{1, 3, 3, 6}, {2, 4}, {4, 6}},
    {{1, 3, 3, 12}, {4, 4}, {0, 4}}, {{1, 4, 3, 16}, {8, 16}, {0, 0}}, {{1, 2, 3, 272}, {0, 0}, {8, 8}},
};

class CopyTest : public test::BackendTest {};

TEST_P(CopyTest, AllTypesAndLayouts) {
  for (const DType from : {DType::kF32, DType::kBF16}) {
    for (const DType to : {DType::kF32, DType::kBF16}) {
      for (const Layout& layout : kLayouts) {
        const auto values = rounded_to(from, random_values(layout.shape.count(), 1));
        const auto place = [&](Stream& s, const std::vector<float>& v, DType dtype, Place p) {
          return slice_of(s, layout.shape, v, dtype, p.first, layout.shape.c + p.more);
        };
        const auto got = test::run_on(device(), [&](Stream& s) {
          const Tensor y = place(s, std::vector<float>(values.size()), to, layout.to);
          copy(s, {place(s, values, from, layout.from), y});
          return y.to_host(s);
        });
        EXPECT_EQ(got, rounded_to(to, values)) << layout.shape.str();
      }
    }
  }
}

TEST_P(CopyTest, ChannelsBesideASliceStayAsTheyAre) {
  const Tensor wide = test::tensor_of(stream(), {1, 1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  copy(stream(), {test::tensor_of(stream(), {1, 1, 2, 2}, {10, 20, 30, 40}), wide.channels(1, 2)});
  EXPECT_EQ(wide.to_host(stream()), (std::vector<float>{1, 10, 20, 4, 5, 30, 40, 8}));
}

TEST_P(CopyTest, RefusesShapesThatDifferAndTypesWithoutFractions) {
  const Tensor x = unwritten(stream(), {1, 2, 2, 3}), bytes = unwritten(stream(), {1, 2, 2, 3}, DType::kU8);
  EXPECT_THROW(copy(stream(), {x, unwritten(stream(), {1, 2, 2, 4})}), ShapeError);
  EXPECT_THROW(copy(stream(), {x, bytes}), ShapeError);
  EXPECT_THROW(copy(stream(), {bytes, x}), ShapeError);
}

INSTANTIATE_ON_BACKENDS(CopyTest);

}  // namespace
}  // namespace boxcar::kernels
