// A convolution as a graph of cuDNN's operations.
#pragma once

#include "boxcar/kernels/conv/conv_plans.h"
#include "boxcar/kernels/vendor/cudnn_descriptor.h"

namespace boxcar::kernels {

/// Identifiers of the graph's tensors.
struct CudnnTensors {
  static constexpr std::int64_t kX = 1, kW = 2, kY = 3, kBias = 4;
};

/// The convolution; forward, bias and activation as far as they are wanted, where values between operations are f32 and
/// never stored. Not finalized. Throws DeviceError.
CudnnDescriptor cudnn_graph_of(const ConvProblem& problem);

}  // namespace boxcar::kernels
