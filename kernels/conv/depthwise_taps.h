// Which pixels a depthwise filter's taps meet, and sums of its gradients in a fixed order.
#pragma once

#include <algorithm>
#include <cstdint>

#include "boxcar/kernels/conv/conv.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels::cpu {

/// The taps of one side that fall inside the image: input = out * stride - padding + tap * dilation.
struct Taps {
  int begin, end, first_input;
};

inline Taps taps_inside(int out, int size, const ConvOptions& o) {
  const int origin = out * o.stride - o.padding;
  const int begin = origin >= 0 ? 0 : (-origin + o.dilation - 1) / o.dilation;
  const int end = std::min(o.kernel, (size - origin + o.dilation - 1) / o.dilation);
  return {begin, std::max(begin, end), origin};
}

inline std::int64_t pixel(const TensorView& t, int n, int y, int x) { return (std::int64_t{n} * t.h + y) * t.w + x; }

/// Calls add_row(n, oy, sums [k*k+1, C]) for every output row, to add its part of dw and then of dbias; writes or adds
/// the total. Rows are summed in parts of eight, so that sums do not depend on the threads.
void sum_weight_grads(Stream& stream, const ConvBackwardWeightArgs& args,
                      FunctionRef<void(int n, int oy, float* sums)> add_row);

}  // namespace boxcar::kernels::cpu
