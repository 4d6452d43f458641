// The device language and the one way to launch a kernel; for .cu files only.
//
//   __global__ void __launch_bounds__(256) scale_kernel(float* x, float factor, std::int64_t n) {...}
//   launch("scale", scale_kernel, grid_for(n, 256), stream, x, factor, n);
//
// Under BOXCAR_CUDA=EMULATE the same file is C++ and runs on the CPU (docs/emulation.md).
#pragma once

#include <cstdint>
#include <tuple>
#include <type_traits>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/stream.h"

#if defined(__CUDACC__)

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "boxcar/runtime/device/check_cuda.h"

/// BOXCAR_SHARED(float, sums, [2][64]); declares an array that the threads of a block share.
#define BOXCAR_SHARED(T, name, extents) __shared__ T name extents
/// BOXCAR_DYNAMIC_SHARED(float, tile); declares a pointer to the Grid's shared_bytes.
#define BOXCAR_DYNAMIC_SHARED(T, name)                             \
  extern __shared__ __align__(16) unsigned char boxcar_dynamic_[]; \
  T* const name = reinterpret_cast<T*>(boxcar_dynamic_)

#else

#include "boxcar/kernels/common/emulation/intrinsics.h"

#define BOXCAR_SHARED(T, name, extents) \
  using name##_array = T extents;       \
  auto& name = ::boxcar::emulation::shared<name##_array>([] {})
#define BOXCAR_DYNAMIC_SHARED(T, name) T* const name = static_cast<T*>(::boxcar::emulation::dynamic_shared())

#endif

/// A function that kernels call.
#define BOXCAR_DEVICE __device__ __forceinline__

namespace boxcar::kernels {

/// Blocks, threads of a block (a multiple of the warp, at most 1024), bytes of dynamic shared memory.
struct Grid {
  dim3 blocks, threads;
  std::size_t shared_bytes = 0;
};

/// At least `items` threads in a row, in blocks of `threads`. Throws ShapeError beyond 2^31-1 blocks.
inline Grid grid_for(std::int64_t items, unsigned threads) {
  const std::int64_t blocks = (items + threads - 1) / threads;
  if (blocks > 0x7fffffff) fail<ShapeError>("{} items are too many for one kernel", items);
  return {dim3(static_cast<unsigned>(blocks)), dim3(threads), 0};
}

/// Throws DeviceError if CUDA would not take the grid.
inline void check_grid(const char* name, const Grid& grid) {
  const std::uint64_t threads = std::uint64_t{grid.threads.x} * grid.threads.y * grid.threads.z;
  if (threads == 0 || threads > 1024 || threads % 32 != 0 || grid.threads.z > 64) {
    fail<DeviceError>("kernel {}: a block of {}x{}x{} threads is not a multiple of 32 up to 1024", name, grid.threads.x,
                      grid.threads.y, grid.threads.z);
  }
  if (grid.blocks.x > 0x7fffffff || grid.blocks.y > 0xffff || grid.blocks.z > 0xffff) {
    fail<DeviceError>("kernel {}: a grid of {}x{}x{} blocks is too large", name, grid.blocks.x, grid.blocks.y,
                      grid.blocks.z);
  }
  if (grid.shared_bytes > (227 << 10)) {
    fail<DeviceError>("kernel {}: {} bytes of shared memory are more than 227 KB", name, grid.shared_bytes);
  }
}

/// Queues a kernel on a CUDA stream. Arguments are converted to the kernel's parameter types and
/// copied, so that later changes by the host are not seen. A grid without blocks does nothing.
/// Throws DeviceError with the kernel's name if it cannot be launched.
template <class... P, class... A>
void launch(const char* name, void (*kernel)(P...), const Grid& grid, Stream& stream, A&&... arguments) {
  static_assert((std::is_trivially_copyable_v<P> && ...), "kernel arguments are copied byte by byte");
  check_grid(name, grid);
  if (grid.blocks.x == 0 || grid.blocks.y == 0 || grid.blocks.z == 0) return;
  StreamBackend& backend = stream.backend();
#if defined(__CUDACC__)
  constexpr std::size_t kSharedWithoutRequest = 48 << 10;
  if (grid.shared_bytes > kSharedWithoutRequest) {
    BOXCAR_CHECK_CUDA(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(grid.shared_bytes)));
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid.blocks;
  config.blockDim = grid.threads;
  config.dynamicSmemBytes = grid.shared_bytes;
  config.stream = static_cast<cudaStream_t>(backend.handle());
  const cudaError_t status = cudaLaunchKernelEx(&config, kernel, static_cast<P>(std::forward<A>(arguments))...);
  if (status != cudaSuccess) {
    cudaGetLastError();
    fail<DeviceError>("kernel {} could not be launched: {}", name, cudaGetErrorString(status));
  }
  backend.launched(name);
#else
  const EmulationSettings* settings = backend.emulation();
  if (!settings) fail<DeviceError>("kernel {} was launched on a stream of {}", name, stream.device().name());
  const emulation::Launch what{name, grid.blocks, grid.threads, grid.shared_bytes, *settings};
  backend.enqueue(name, [what, kernel, copies = std::tuple<P...>{static_cast<P>(std::forward<A>(arguments))...}] {
    const emulation::Unchecked frame;  // its stack is the CPU thread's, which all streams share
    emulation::run(what, [&] { std::apply(kernel, copies); });
  });
#endif
}

}  // namespace boxcar::kernels
