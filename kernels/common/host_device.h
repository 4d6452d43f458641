// Marks a formula that both backends use: compiled for host and device.
#pragma once

#if defined(__CUDACC__)
#define BOXCAR_HD __host__ __device__ __forceinline__
#else
#define BOXCAR_HD inline
#endif
