// Turns a failed CUDA call into a DeviceError. For device_cuda.cpp and launch.h in builds with CUDA.
#pragma once

#include <cuda_runtime_api.h>

#include "boxcar/runtime/base/error.h"

namespace boxcar {

inline void check_cuda(cudaError_t status, const char* expression, const char* file, int line) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // an error that is not sticky must not surface again in the next call
  fail<DeviceError>("{} failed: {} ({}) at {}:{}", expression, cudaGetErrorString(status), cudaGetErrorName(status),
                    file, line);
}

}  // namespace boxcar

/// Calls a function of the CUDA runtime and throws DeviceError with the expression, file and line if it failed.
#define BOXCAR_CHECK_CUDA(expression) ::boxcar::check_cuda((expression), #expression, __FILE__, __LINE__)
