// Mean and variance of each channel over a batch, which batch normalisation learns from a convolution's result.
//
// conv_forward() makes them of what it stores where it is told to; batch_statistics() is a pass of its own.
#pragma once

#include "boxcar/kernels/common/op_cost.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// Where statistics go.
struct BatchStatistics {
  float* mean_rstd = nullptr;     // [2C]: mean, then 1/sqrt(var + eps) of the biased variance; null: none are wanted
  float* running_mean = nullptr;  // [C], updated, or none
  float* running_var = nullptr;   // [C], likewise; the unbiased variance enters it
  float eps = 1e-3f;
  float momentum = 0.03f;  // running = (1 - momentum) * running + momentum * batch

  bool wanted() const { return mean_rstd != nullptr; }
};

struct BatchStatisticsArgs {
  TensorView z;  // [N,H,W,C] packed, f32 or bf16
  BatchStatistics to;
};
/// At least two values a channel are needed (ShapeError). Statistics are (mean, sum of squared distances from it) of
/// blocks of rows, merged in block order (Chan, Golub, LeVeque 1979): the bits do not depend on the threads, and a mean
/// far from zero costs no digits of the variance.
void batch_statistics(Stream& stream, const BatchStatisticsArgs& args);
OpCost cost_of(const BatchStatisticsArgs& args);

/// Throws ShapeError where a channel of z has a single value.
void check_has_statistics(const TensorView& z);

}  // namespace boxcar::kernels
