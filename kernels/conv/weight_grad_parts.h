// Weight gradients whose sum over the batch is made in parts.
#pragma once

#include "boxcar/kernels/conv/conv.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels::cpu {

/// dw, written or added to, from `parts` packed gradients one after the other, in their order.
inline void sum_weight_grad_parts(Stream& stream, const float* grads, std::int64_t parts,
                                  const ConvBackwardWeightArgs& args) {
  const bool add = args.mode == GradMode::kAdd;
  const std::int64_t size = args.dw.count();
  float* dw = static_cast<float*>(args.dw.data);
  parallel_for(stream.threads(), size, 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      float sum = 0;
      for (std::int64_t part = 0; part < parts; ++part) sum += grads[part * size + i];
      dw[i] = add ? dw[i] + sum : sum;
    }
  });
}

}  // namespace boxcar::kernels::cpu
