// Checks and dispatch; the loops are in norm_act_simd_forward.cpp and batch_statistics.cu.
#include "boxcar/kernels/norm_act/batch_statistics.h"

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/norm_act/norm_act_simd.h"

namespace boxcar::kernels {
namespace cpu {
void batch_statistics(Stream& stream, const BatchStatisticsArgs& args) { simd::batch_statistics(stream, args); }
}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void batch_statistics(Stream& stream, const BatchStatisticsArgs& args);
}  // namespace cuda
#endif

void check_has_statistics(const TensorView& z) {
  if (z.pixels() != 1) return;
  fail<ShapeError>(
      "batch statistics need more than one value a channel, but the tensor is {}; "
      "use a larger batch or image",
      z.shape().str());
}

void batch_statistics(Stream& stream, const BatchStatisticsArgs& args) {
  check_packed("batch_statistics", "z", args.z);
  check_has_statistics(args.z);
  if (args.z.count() == 0) return;
  BOXCAR_DISPATCH(stream, batch_statistics, args);
}

OpCost cost_of(const BatchStatisticsArgs& args) { return {bytes_of(args.z), 0}; }

}  // namespace boxcar::kernels
