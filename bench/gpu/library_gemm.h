// The card's rate of matrix products, by the vendor's library: the scale for convolutions.
#pragma once

#include <optional>

#include "measure.h"

namespace boxcar::bench {

/// The library's product of two bf16 matrices of random values, summed in f32; nullopt where no cuBLAS is found at run
/// time, or CUDA is emulated. `why` then says so.
std::optional<Measured> measure_library_gemm(Stream& stream, const Settings& settings, std::string& why);

}  // namespace boxcar::bench
