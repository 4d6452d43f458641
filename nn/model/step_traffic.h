// What one training step moves through memory and launches: the figures of `boxcar info traffic=True`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "boxcar/nn/model/model_spec.h"
#include "boxcar/runtime/base/dtype.h"

namespace boxcar {

struct StepTraffic {
  struct Op {
    std::string name;
    std::int64_t calls = 0;
    std::int64_t launches = 0;        // of kernels on a GPU, in all calls
    std::int64_t bytes_an_image = 0;  // read or written; 0 with bytes_a_step 0: the op does not tell
    std::int64_t bytes_a_step = 0;    // whatever the batch: weights, statistics, optimizer
  };
  std::vector<Op> ops;  // most bytes first
  /// Elements that go into convolutions, and come out of them, an image.
  std::int64_t conv_inputs = 0, conv_outputs = 0;
  DType activations = DType::kBF16;

  Op total() const;
  /// What a step moves an image where normalisation, activation and residual cost one pass forward and two back, and
  /// concatenation, splits and sums of gradients nothing: 3 I + 10 Z, with I and Z the convolutions' inputs and
  /// outputs.
  std::int64_t fused_bytes_an_image() const;
};

/// Runs a step (render, forward, loss, backward, SGD with averages) on the CPU without computing it, and asks each op
/// what it costs. Bytes are what an op's operands have, times the passes over them; memory between ops counts as slow,
/// whatever a cache may hold. An op counts as one launch where it does not tell of more. imgsz: a multiple of 32.
StepTraffic step_traffic(const ModelSpec& spec, int imgsz, DType activations = DType::kBF16);

/// The table that `boxcar info traffic=True` prints.
std::string traffic_table(const StepTraffic& traffic, int imgsz);

}  // namespace boxcar
