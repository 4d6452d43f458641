// 1x1 convolutions of stride 1 as matrix products of a vendor's library.
#pragma once

#include <memory>

#include "boxcar/kernels/conv/conv_plans.h"
#include "boxcar/kernels/vendor/matmul.h"

namespace boxcar::kernels {

/// Pixels are rows: y = x w', dx = dy w, dw = dy' x, where w is [O,C] as it lies in memory. A bias can be added to f32
/// results.
std::unique_ptr<ConvEngine> make_gemm_engine(std::shared_ptr<MatmulLibrary> library);

}  // namespace boxcar::kernels
