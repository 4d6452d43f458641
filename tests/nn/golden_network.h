// Golden files of networks: tensors in the reference's layout as values here, and back.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/model/detection_model.h"
#include "support/golden.h"

namespace boxcar::test {

using Golden = std::map<std::string, GoldenTensor>;

/// The tensors called "<prefix>NAME", as NAME.
NamedTensors state_of(const Golden& golden, const std::string& prefix = "state.");

/// [N,C,H,W] as a tensor [N,H,W,C].
Tensor image(Stream& stream, const GoldenTensor& t);

/// A packed tensor in the reference's order.
std::vector<float> as_nchw(const Tensor& t, Stream& stream);

/// What a head gives out, as the reference lists it: boxes [N,4R,A], which = 0, or scores [N,nc,A], which = 1, levels
/// one after another.
std::vector<float> head_map(const Outputs& outputs, std::size_t which, Stream& stream);

/// Spreads a gradient of that form over the outputs.
void add_head_grad(const Outputs& outputs, std::size_t which, const GoldenTensor& grad, Stream& stream);

}  // namespace boxcar::test
