#include "boxcar/kernels/common/gemm.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

#include "boxcar/kernels/common/dispatch.h"

namespace boxcar::kernels {
namespace cpu {

void gemm(Stream& stream, const GemmArgs& args) {
  omp_set_num_threads(stream.threads());
  const dnnl_status_t status =
      dnnl_sgemm(args.transpose_a ? 'T' : 'N', args.transpose_b ? 'T' : 'N', args.m, args.n, args.k, args.alpha, args.a,
                 args.lda, args.b, args.ldb, args.beta, args.c, args.ldc);
  if (status != dnnl_success) fail<DeviceError>("a {}x{}x{} matrix product failed in oneDNN", args.m, args.n, args.k);
}

}  // namespace cpu

void gemm(Stream& stream, const GemmArgs& args) { BOXCAR_DISPATCH_CPU(stream, gemm, args); }

}  // namespace boxcar::kernels
