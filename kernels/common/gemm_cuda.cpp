// Matrix products on CUDA: by the vendor's library where it is there, else by our own kernel.
#include <algorithm>
#include <cstdint>
#include <map>

#include "boxcar/kernels/common/gemm.h"
#include "boxcar/kernels/common/gemm_batched.h"
#include "boxcar/kernels/vendor/matmul.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::kernels::cuda {
namespace {

// The algorithm of each shape that was seen; null: our own kernel.
struct Algorithms {
  explicit Algorithms(Stream&) {}
  std::map<MatmulShape, std::shared_ptr<MatmulAlgorithm>> of;
};

// The largest power of two, up to the 256 that libraries ask about, that all rows begin at a multiple of.
int alignment_of(const float* data, std::int64_t ld) {
  const std::uint64_t bits = reinterpret_cast<std::uintptr_t>(data) | static_cast<std::uint64_t>(ld) * sizeof(float);
  return static_cast<int>(std::min<std::uint64_t>(bits & (~bits + 1), 256));
}

MatmulShape shape_of(const GemmArgs& g) {
  return {.transpose_a = g.transpose_a,
          .transpose_b = g.transpose_b,
          .m = g.m,
          .n = g.n,
          .k = g.k,
          .lda = g.lda,
          .ldb = g.ldb,
          .ldd = g.ldc,
          .alignment_a = alignment_of(g.a, g.lda),
          .alignment_b = alignment_of(g.b, g.ldb),
          .alignment_d = alignment_of(g.c, g.ldc)};
}

// What the library expects to be fastest: the same for the same shape, card and version.
std::shared_ptr<MatmulAlgorithm> algorithm_for(MatmulLibrary& library, const MatmulShape& shape) {
  try {
    auto found = library.algorithms(shape, 1);
    return found.empty() ? nullptr : found.front();
  } catch (const DeviceError&) {
    return nullptr;
  }
}

bool library_gemm(Stream& stream, const GemmArgs& g) {
  MatmulLibrary* const library = stream.resource<StreamMatmulLibrary>().library.get();
  if (!library || g.m == 0 || g.n == 0 || g.k == 0) return false;
  auto& known = stream.resource<Algorithms>().of;
  const MatmulShape shape = shape_of(g);
  auto found = known.find(shape);
  if (found == known.end()) {
    if (stream.capturing()) return false;
    found = known.emplace(shape, algorithm_for(*library, shape)).first;
  }
  if (!found->second) return false;
  try {
    const std::size_t bytes = found->second->workspace_bytes();
    const std::shared_ptr<void> workspace = bytes > 0 ? MemoryPool::allocate(stream.pool(), bytes) : nullptr;
    found->second->run(stream, {g.a, g.b, g.c, nullptr, g.alpha, g.beta}, workspace.get());
    return true;
  } catch (const DeviceError&) {
    if (stream.capturing()) throw;
    found->second = nullptr;
    return false;
  }
}

}  // namespace

void gemm(Stream& stream, const GemmArgs& args) {
  if (!library_gemm(stream, args)) gemm_batched(stream, {.first = args, .a = {}, .b = {}, .c = {}});
}

}  // namespace boxcar::kernels::cuda
