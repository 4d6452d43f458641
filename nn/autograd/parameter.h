// A named tensor of a module's state: a parameter, a running statistic or a counter.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "boxcar/runtime/files/host_tensor.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::nn {

enum class StateKind {
  kParameter,  // the optimizer changes it
  kBuffer,     // float state the forward pass changes (running statistics); averaged by the EMA
  kCounter,    // one int64, kept for the state dict
};

/// How the elements lie in files, where they are row-major and convolution weights O,I,H,W.
enum class FileLayout {
  kVector,           // [C]
  kConvWeight,       // memory [O,k,k,I] <-> file [O,I,k,k]
  kDepthwiseWeight,  // memory [1,k,k,C] <-> file [C,1,k,k]
  kMatrix,           // memory [1,1,out,in] = file [out,in]
  kAsIs,             // memory [n,h,w,c] = file [n,h,w,c]
};

enum class Init { kConstant, kUniformFanIn, kArange };

struct Parameter {
  std::string name;  // within its module, e.g. "bn.weight"
  StateKind kind = StateKind::kParameter;
  FileLayout layout = FileLayout::kVector;
  Shape shape;       // in memory
  Init init = Init::kConstant;
  float init_value = 0;  // kConstant: the value; kUniformFanIn: the fan-in
  bool trainable = true;
  bool is_norm = false;  // belongs to a normalisation layer: no weight decay

  Tensor value = {};  // [shape]; a view into the arena once there is one
  Tensor grad = {};   // likewise; only of trainable parameters
  std::int64_t counter = 0;
  /// Values in memory order that were loaded before there was an arena.
  std::optional<std::vector<float>> loaded = {};

  std::vector<std::int64_t> file_shape() const;
};

/// Memory order to file order and back; f32. Throws ModelError if the shapes differ.
HostTensor to_file(const Parameter& parameter, const std::vector<float>& memory_order);
std::vector<float> from_file(const Parameter& parameter, const HostTensor& tensor);

/// Fresh values in memory order. kUniformFanIn: uniform in +-1/sqrt(fan_in), keyed by (seed, full name).
std::vector<float> initial_values(const Parameter& parameter, const std::string& full_name, std::uint64_t seed);

}  // namespace boxcar::nn
