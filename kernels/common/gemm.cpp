#include "boxcar/kernels/common/gemm.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

#include "boxcar/kernels/common/dispatch.h"

namespace boxcar::kernels {
namespace cpu {
namespace {

// The library leaves C as it is where there are no products.
void scale_result(const GemmArgs& args) {
  for (std::int64_t row = 0; row < args.m; ++row) {
    for (float* c = args.c + row * args.ldc; c < args.c + row * args.ldc + args.n; ++c) {
      *c = args.beta == 0.0f ? 0.0f : args.beta * *c;
    }
  }
}

}  // namespace

void gemm(Stream& stream, const GemmArgs& args) {
  if (args.k == 0) return scale_result(args);
  omp_set_num_threads(stream.threads());
  const dnnl_status_t status =
      dnnl_sgemm(args.transpose_a ? 'T' : 'N', args.transpose_b ? 'T' : 'N', args.m, args.n, args.k, args.alpha, args.a,
                 args.lda, args.b, args.ldb, args.beta, args.c, args.ldc);
  if (status != dnnl_success) fail<DeviceError>("a {}x{}x{} matrix product failed in oneDNN", args.m, args.n, args.k);
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void gemm(Stream& stream, const GemmArgs& args);
}
#endif

void gemm(Stream& stream, const GemmArgs& args) { BOXCAR_DISPATCH(stream, gemm, args); }

}  // namespace boxcar::kernels
