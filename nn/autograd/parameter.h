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
  Shape shape;  // in memory
  Init init = Init::kConstant;
  float init_value = 0;  // kConstant: the value; kUniformFanIn: the fan-in
  bool trainable = true;
  bool is_norm = false;  // belongs to a normalisation layer: no weight decay

  Tensor value = {};  // [shape]; a view into the arena once there is one
  Tensor grad = {};   // likewise; only of trainable parameters
  Tensor arena = {};  // all parameters of the arena, among which `value` lies; of kParameter only
  std::int64_t counter = 0;
  /// What load() was given before there was an arena, in memory order.
  struct Loaded {
    std::vector<float> values;
    std::vector<bool> given;  // which of them count; empty: all
  };
  std::optional<Loaded> loaded = {};

  std::vector<std::int64_t> file_shape() const;
};

/// Memory order to file order and back; f32. Throws ModelError if the shapes differ.
HostTensor to_file(const Parameter& parameter, const std::vector<float>& memory_order);
std::vector<float> from_file(const Parameter& parameter, const HostTensor& tensor);

/// Elements of any floating type as f32. Throws ModelError naming the weight for other types.
std::vector<float> floats_of(const std::string& name, const HostTensor& tensor);

/// Gives the parameter (no counter) the values of a tensor in file order, before or after it has memory. Where `given`
/// is not empty it has a flag for each element, and those without it stay as they are, or as they will be initialised.
/// Throws as from_file.
void load(Parameter& parameter, const HostTensor& tensor, Stream& stream, const std::vector<bool>& given = {});

/// The same for a tensor of the parameter's own shape, counters included; returns false, and does nothing, for another.
bool load_if_equal(Parameter& parameter, const HostTensor& tensor, Stream& stream);

/// Fresh values in memory order. kUniformFanIn: uniform in +-1/sqrt(fan_in), keyed by (seed, full name).
std::vector<float> initial_values(const Parameter& parameter, const std::string& full_name, std::uint64_t seed);

}  // namespace boxcar::nn
