// Marks a formula that both backends use: compiled for host and device.
#pragma once

#if defined(__CUDACC__)
#define BOXCAR_HD __host__ __device__ __forceinline__
#else
#define BOXCAR_HD inline
#endif

namespace boxcar::kernels {

/// a * b, rounded by itself: nvcc would round it together with a sum that it enters.
BOXCAR_HD float rounded_product(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}

}  // namespace boxcar::kernels
