// Versions of single libraries: of each file here that needs a library there is one without it, and CMake takes either.
#pragma once

#include <string>

namespace boxcar::kernels {

/// "9.19.0"; empty where the library is not there.
std::string cudnn_version();
std::string cublaslt_version();
std::string nccl_version();

}  // namespace boxcar::kernels
