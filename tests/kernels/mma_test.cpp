// Which elements the lanes of a warp hold, as the PTX ISA draws it, and their product against plain loops.
#include <gtest/gtest.h>

#include "boxcar/runtime/device/backend.h"
#include "kernels/mma_kernels.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::test {
namespace {

constexpr int kLanes = 32;

struct Place {
  int row, column;
};

// Element `i` of a lane's pair `pair`; rows of B are k.
Place place_in_a(int lane, int pair, int i) { return {lane / 4 + pair % 2 * 8, lane % 4 * 2 + pair / 2 * 8 + i}; }
Place place_in_b(int lane, int pair, int i) { return {lane % 4 * 2 + pair * 8 + i, lane / 4}; }
Place place_in_c(int lane, int i) { return {lane / 4 + i / 2 * 8, lane % 4 * 2 + i % 2}; }

// The elements of a row-major matrix of `width` columns that the lanes hold in `pairs` pairs each.
template <class PlaceOf>
std::vector<float> fragments_of(const std::vector<float>& matrix, int width, int pairs, PlaceOf place_of) {
  std::vector<float> fragments;
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int pair = 0; pair < pairs; ++pair) {
      for (int i = 0; i < 2; ++i) {
        const Place p = place_of(lane, pair, i);
        fragments.push_back(matrix[static_cast<std::size_t>(p.row * width + p.column)]);
      }
    }
  }
  return fragments;
}

std::vector<float> counted(int count) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(static_cast<float>(i));  // up to 256 exact in bf16
  return values;
}

class Mma : public ::testing::Test {
 protected:
  void SetUp() override {
    if (cuda_device_count() == 0) GTEST_SKIP() << "no CUDA device";
  }
};

TEST_F(Mma, FourMatricesAreAFragmentOfA) {
  const std::vector<float> matrix = counted(256);
  const auto loaded = [&](bool transposed) {
    return run_on(Device::cuda(), [&](Stream& s) {
      const Tensor fragments = unwritten(s, {1, kLanes, 4, 2}, DType::kBF16);
      load_four_matrices(s, tensor_of(s, {1, 1, 16, 16}, matrix, DType::kBF16), transposed, fragments);
      return fragments.to_host(s);
    });
  };
  EXPECT_EQ(loaded(false), fragments_of(matrix, 16, 4, place_in_a));
  // Each matrix of 8 x 8 is transposed at its place.
  const auto transposed = [](int lane, int pair, int i) {
    const Place p = place_in_a(lane, pair, i);
    return Place{p.row / 8 * 8 + p.column % 8, p.column / 8 * 8 + p.row % 8};
  };
  EXPECT_EQ(loaded(true), fragments_of(matrix, 16, 4, transposed));
}

TEST_F(Mma, ProductOfFragmentsIsTheMatrices) {
  const std::vector<float> a = whole_values(16 * 16, 9, 1), b = whole_values(16 * 8, 9, 2), c = counted(16 * 8);
  std::vector<float> before, want;
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const Place p = place_in_c(lane, i);
      before.push_back(c[static_cast<std::size_t>(p.row * 8 + p.column)]);
      float sum = before.back();
      for (int k = 0; k < 16; ++k) {
        sum += a[static_cast<std::size_t>(p.row * 16 + k)] * b[static_cast<std::size_t>(k * 8 + p.column)];
      }
      want.push_back(sum);
    }
  }
  const std::vector<float> got = run_on(Device::cuda(), [&](Stream& s) {
    const Tensor sums = tensor_of(s, {1, 1, kLanes, 4}, before);
    const Tensor rows = tensor_of(s, {1, kLanes, 4, 2}, fragments_of(a, 16, 4, place_in_a), DType::kBF16);
    const Tensor columns = tensor_of(s, {1, kLanes, 2, 2}, fragments_of(b, 8, 2, place_in_b), DType::kBF16);
    multiply_fragments(s, rows, columns, sums);
    return sums.to_host(s);
  });
  EXPECT_EQ(got, want);
}

}  // namespace
}  // namespace boxcar::test
