// Many matrix products of one size in one kernel; for the CUDA side of other families.
#pragma once

#include "boxcar/kernels/common/gemm.h"

namespace boxcar::kernels {

/// Elements from a matrix to that of the next image, and of the image's next head.
struct BatchStrides {
  std::int64_t image = 0, head = 0;
};

/// images * heads products: gemm() with each matrix moved by its strides.
struct BatchedGemmArgs {
  GemmArgs first;
  int images = 1, heads = 1;
  BatchStrides a, b, c;
};
inline OpCost cost_of(const BatchedGemmArgs& args) {
  const OpCost one = cost_of(args.first);
  const std::int64_t count = std::int64_t{args.images} * args.heads;
  return {one.bytes * count, one.flops * count};
}

namespace cuda {
void gemm_batched(Stream& stream, const BatchedGemmArgs& args);
}

}  // namespace boxcar::kernels
