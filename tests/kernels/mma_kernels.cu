#include "kernels/mma_kernels.h"

#include "boxcar/kernels/common/launch.h"
#include "boxcar/kernels/common/mma.h"

namespace boxcar::test {
namespace {

using namespace kernels;
using namespace kernels::cuda;

BOXCAR_DEVICE unsigned pair_of(const __nv_bfloat16* two) {
  unsigned pair;
  memcpy(&pair, two, sizeof(pair));
  return pair;
}

// One warp; lane 8m + r points to row r of matrix m.
template <bool kTransposed>
__global__ void __launch_bounds__(32) load_four_matrices_kernel(const __nv_bfloat16* matrix, __nv_bfloat16* fragments) {
  BOXCAR_SHARED(uint4, storage, [32]);
  __nv_bfloat16* const shared = reinterpret_cast<__nv_bfloat16*>(storage);
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = 0; i < 8; ++i) shared[lane * 8 + i] = matrix[lane * 8 + i];
  __syncwarp();
  unsigned pairs[4];
  load_matrices<kTransposed>(shared + lane % 16 * 16 + lane / 16 * 8, pairs);
  for (int i = 0; i < 4; ++i) memcpy(static_cast<void*>(fragments + (lane * 4 + i) * 2), &pairs[i], sizeof(pairs[i]));
}

// One warp.
__global__ void __launch_bounds__(32)
    multiply_fragments_kernel(const __nv_bfloat16* a, const __nv_bfloat16* b, float* c) {
  const int lane = static_cast<int>(threadIdx.x);
  FragmentA rows;
  FragmentB columns;
  FragmentC sums;
  for (int i = 0; i < 4; ++i) rows.pairs[i] = pair_of(a + (lane * 4 + i) * 2);
  for (int i = 0; i < 2; ++i) columns.pairs[i] = pair_of(b + (lane * 2 + i) * 2);
  for (int i = 0; i < 4; ++i) sums.values[i] = c[lane * 4 + i];
  multiply_add(sums, rows, columns);
  for (int i = 0; i < 4; ++i) c[lane * 4 + i] = sums.values[i];
}

}  // namespace

void load_four_matrices(Stream& stream, const TensorView& matrix, bool transposed, const TensorView& fragments) {
  const Grid one{dim3(1), dim3(32)};
  const auto* const from = matrix.as<const __nv_bfloat16>();
  auto* const to = fragments.as<__nv_bfloat16>();
  transposed ? launch("load_four_matrices", load_four_matrices_kernel<true>, one, stream, from, to)
             : launch("load_four_matrices", load_four_matrices_kernel<false>, one, stream, from, to);
}

void multiply_fragments(Stream& stream, const TensorView& a, const TensorView& b, const TensorView& c) {
  launch("multiply_fragments", multiply_fragments_kernel, Grid{dim3(1), dim3(32)}, stream, a.as<const __nv_bfloat16>(),
         b.as<const __nv_bfloat16>(), c.as());
}

}  // namespace boxcar::test
