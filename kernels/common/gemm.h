// General matrix products on the vendor's library; on CUDA, where it is not there or has no algorithm, on a kernel of
// ours.
#pragma once

#include "boxcar/kernels/common/op_cost.h"
#include "boxcar/runtime/device/stream.h"

namespace boxcar::kernels {

/// C = alpha * op(A) op(B) + beta * C, row-major f32: op(A) is m x k, op(B) k x n, C m x n.
/// ld: elements from row to row as stored. Sizes may be 0. C is not read where beta is 0.
struct GemmArgs {
  bool transpose_a = false, transpose_b = false;
  int m = 0, n = 0, k = 0;
  float alpha = 1.0f;
  const float* a = nullptr;
  std::int64_t lda = 0;
  const float* b = nullptr;
  std::int64_t ldb = 0;
  float beta = 0.0f;
  float* c = nullptr;
  std::int64_t ldc = 0;
};
void gemm(Stream& stream, const GemmArgs& args);
inline OpCost cost_of(const GemmArgs& a) {
  const std::int64_t m = a.m, n = a.n, k = a.k;
  return {(m * k + k * n + m * n) * std::int64_t{sizeof(float)}, 2 * m * n * k};
}

}  // namespace boxcar::kernels
