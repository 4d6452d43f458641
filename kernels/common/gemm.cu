#include "boxcar/kernels/common/gemm.h"

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/common/gemm_batched.h"
#include "boxcar/kernels/common/matrix_tile.h"

namespace boxcar::kernels::cuda {
namespace {

using GemmTile = MatrixTile<64, 64, 16, 32, 32>;

// A block owns a tile of one product's result; blockIdx.z picks the product.
template <bool kTransposeA, bool kTransposeB, int kWidth>
__global__ void __launch_bounds__(GemmTile::kThreads) gemm_kernel(BatchedGemmArgs args) {
  const GemmArgs& g = args.first;
  const int image = static_cast<int>(blockIdx.z) / args.heads, head = static_cast<int>(blockIdx.z) % args.heads;
  const auto moved = [&](BatchStrides strides) { return image * strides.image + head * strides.head; };
  const MatrixOperand<float, kWidth, !kTransposeA> a{g.a + moved(args.a), g.lda, g.m};
  const MatrixOperand<float, kWidth, kTransposeB> b{g.b + moved(args.b), g.ldb, g.n};
  float* const c = g.c + moved(args.c);
  const auto store = [&](int row, int column, float value) {
    if (row >= g.m || column >= g.n) return;
    float* to = c + row * g.ldc + column;
    *to = g.alpha * value + (g.beta != 0.0f ? g.beta * *to : 0.0f);
  };
  multiply_tile<FloatSums<GemmTile>, GemmTile>(a, b, static_cast<int>(blockIdx.x) * GemmTile::kRows,
                                               static_cast<int>(blockIdx.y) * GemmTile::kColumns, 0, g.k,
                                               [&](int row, int column, float v0, float v1) {
                                                 store(row, column, v0);
                                                 store(row, column + 1, v1);
                                               });
}

// The widest access to all rows of all matrices: rows of `length` elements.
int matrix_width(const float* data, std::int64_t ld, BatchStrides strides, int length) {
  int width = 4;
  const auto fits = [&] {
    return reinterpret_cast<std::uintptr_t>(data) % (width * sizeof(float)) == 0 && ld % width == 0 &&
           strides.image % width == 0 && strides.head % width == 0 && length % width == 0;
  };
  while (!fits()) width /= 2;
  return width;
}

int blocks_of(int size, int tile) { return (size + tile - 1) / tile; }

}  // namespace

void gemm_batched(Stream& stream, const BatchedGemmArgs& args) {
  const GemmArgs& g = args.first;
  const int width = std::min(matrix_width(g.a, g.lda, args.a, g.transpose_a ? g.m : g.k),
                             matrix_width(g.b, g.ldb, args.b, g.transpose_b ? g.k : g.n));
  const Grid grid{dim3(static_cast<unsigned>(blocks_of(g.m, GemmTile::kRows)),
                       static_cast<unsigned>(blocks_of(g.n, GemmTile::kColumns)),
                       static_cast<unsigned>(args.images) * static_cast<unsigned>(args.heads)),
                  dim3(GemmTile::kThreads)};
  with_vector_width<float>(width, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
    if (g.transpose_a) {
      g.transpose_b ? launch("gemm", gemm_kernel<true, true, kWidth>, grid, stream, args)
                    : launch("gemm", gemm_kernel<true, false, kWidth>, grid, stream, args);
    } else {
      g.transpose_b ? launch("gemm", gemm_kernel<false, true, kWidth>, grid, stream, args)
                    : launch("gemm", gemm_kernel<false, false, kWidth>, grid, stream, args);
    }
  });
}

}  // namespace boxcar::kernels::cuda
