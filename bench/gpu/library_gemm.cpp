#include "library_gemm.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"

namespace boxcar::bench {
namespace {

// The few declarations of cublas_v2.h that are needed, so that the header is not.
using Handle = void*;
using Create = int (*)(Handle*);
using Destroy = int (*)(Handle);
using SetStream = int (*)(Handle, void*);
using GemmEx = int (*)(Handle, int transpose_a, int transpose_b, int m, int n, int k, const void* alpha, const void* a,
                       int a_type, int lda, const void* b, int b_type, int ldb, const void* beta, void* c, int c_type,
                       int ldc, int compute_type, int algorithm);
constexpr int kNotTransposed = 0, kTransposed = 1, kBf16 = 14, kComputeF32 = 68, kDefaultAlgorithm = -1;

void* open_library() {
  for (const char* name : {"libcublas.so.13", "libcublas.so.12", "libcublas.so"}) {
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
  }
  return nullptr;
}

template <class F>
F function(void* library, const char* name) {
  void* const found = dlsym(library, name);
  if (!found) fail<DeviceError>("cuBLAS has no function {}", name);
  return reinterpret_cast<F>(found);
}

void require(int status, const char* what) {
  if (status != 0) fail<DeviceError>("{} failed with status {}", what, status);
}

}  // namespace

std::optional<Measured> measure_library_gemm(Stream& stream, const Settings& settings, std::string& why) {
  void* const stream_handle = stream.backend().handle();
  void* const library = stream_handle ? open_library() : nullptr;
  if (!library) {
    why = stream_handle ? "no cuBLAS was found at run time" : "CUDA is emulated";
    return std::nullopt;
  }
  const auto gemm = function<GemmEx>(library, "cublasGemmEx");
  Handle handle = nullptr;
  require(function<Create>(library, "cublasCreate_v2")(&handle), "cublasCreate");
  require(function<SetStream>(library, "cublasSetStream_v2")(handle, stream_handle), "cublasSetStream");
  const int n = settings.gemm_size;
  const Shape shape{1, 1, n, n};
  const Tensor a = random_tensor(stream, shape, DType::kBF16), b = random_tensor(stream, shape, DType::kBF16);
  const Tensor c = Tensor::empty(stream, shape, DType::kBF16);
  const Call call = [=](Stream&) {
    const float one = 1.0f, zero = 0.0f;
    require(gemm(handle, kTransposed, kNotTransposed, n, n, n, &one, a.view().data, kBf16, n, b.view().data, kBf16, n,
                 &zero, c.view().data, kBf16, n, kComputeF32, kDefaultAlgorithm),
            "cublasGemmEx");
  };
  Measured result{"cuBLAS", fmt::format("{0} x {0} x {0} bf16", n), time_calls(stream, {call}, settings), {}};
  const std::int64_t side = n;
  result.cost = {3 * side * side * 2, 2 * side * side * side};
  stream.synchronize();
  function<Destroy>(library, "cublasDestroy_v2")(handle);
  return result;
}

}  // namespace boxcar::bench
