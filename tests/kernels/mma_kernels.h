// Kernels for mma_test.cpp: what the lanes of a warp hold of matrices.
#pragma once

#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::test {

/// Loads a matrix of 16 x 16 bf16, row-major, as four of 8 x 8 (upper left, lower left, upper right, lower right).
/// fragments [32, 4, 2]: both elements of each of a lane's four pairs. With `transposed`, the four matrices are.
void load_four_matrices(Stream& stream, const TensorView& matrix, bool transposed, const TensorView& fragments);

/// c [32, 4] += a b for one warp, from a [32, 4, 2], b [32, 2, 2] as the lanes hold them.
void multiply_fragments(Stream& stream, const TensorView& a, const TensorView& b, const TensorView& c);

}  // namespace boxcar::test
