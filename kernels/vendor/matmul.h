// Single matrix products of a vendor's library, row-major as everything here, algorithm by algorithm.
#pragma once

#include <compare>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "boxcar/runtime/base/dtype.h"
#include "boxcar/runtime/device/stream.h"

namespace boxcar::kernels {

/// What algorithms are chosen for: D = alpha * op(A) op(B) + beta * D + bias, where op(A) is m x k, op(B) k x n, D m x
/// n.
struct MatmulShape {
  bool transpose_a = false, transpose_b = false;
  int m = 0, n = 0, k = 0;                                // all > 0
  DType inputs = DType::kF32;                             // of A and B: f32 or bf16
  DType result = DType::kF32;                             // of D: f32, or bf16 of bf16
  std::int64_t lda = 0, ldb = 0, ldd = 0;                 // elements from row to row as stored
  int alignment_a = 4, alignment_b = 4, alignment_d = 4;  // bytes: a power of two that the addresses are multiples of
  bool bias = false;                                      // [n] is added to each row; f32 results only

  auto operator<=>(const MatmulShape&) const = default;
};

/// On the device.
struct MatmulOperands {
  const void* a = nullptr;
  const void* b = nullptr;
  void* d = nullptr;
  const float* bias = nullptr;
  float alpha = 1.0f, beta = 0.0f;
};

/// A way to compute products of one shape: the same bits each time. Sums are f32; f32 inputs are not rounded (no TF32).
class MatmulAlgorithm {
 public:
  virtual ~MatmulAlgorithm() = default;
  /// MatmulLibrary::restore() takes it, in another process, too.
  virtual std::string name() const = 0;
  virtual std::size_t workspace_bytes() const = 0;
  /// Queues the product. Throws DeviceError if the library refuses.
  virtual void run(Stream& stream, const MatmulOperands& operands, void* workspace) = 0;
};

class MatmulLibrary {
 public:
  virtual ~MatmulLibrary() = default;
  /// "cuBLASLt 13.1.0".
  virtual std::string version() const = 0;
  /// At most `most`, the one that the library expects to be fastest first; none where it has none. Throws DeviceError.
  virtual std::vector<std::shared_ptr<MatmulAlgorithm>> algorithms(const MatmulShape& shape, int most) = 0;
  /// Null if the name is none of this library's, or the algorithm does not fit this shape or card.
  virtual std::shared_ptr<MatmulAlgorithm> restore(const MatmulShape& shape, std::string_view name) = 0;
};

/// cuBLASLt for the stream's card. Throws DeviceError where this build or machine does not have it.
std::shared_ptr<MatmulLibrary> open_cublaslt(Stream& stream);

/// The library for a stream of CUDA, opened once; null where there is none or BOXCAR_VENDOR=off. `why` says why not.
struct StreamMatmulLibrary {
  explicit StreamMatmulLibrary(Stream& stream);
  std::shared_ptr<MatmulLibrary> library;
  std::string why;
};

}  // namespace boxcar::kernels
