// All of a model's numbers in two flat buffers.
//
// Values: every parameter, then every float buffer (running statistics), each starting at a
// multiple of 128 bytes; gradients lie in a second buffer at the same offsets, for the parameters
// only. Optimizer, averaging, gradient norm and checkpoints are passes over flat memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "boxcar/nn/modules/module.h"

namespace boxcar::nn {

class ParamArena {
 public:
  struct Entry {
    std::string name;  // in the state dict
    Parameter* parameter;
    std::int64_t offset;  // in floats; -1 for counters
    std::int64_t count;
  };

  /// Takes over the module's state: values that were loaded before, else initial ones from `seed`.
  /// The module must not gain or lose parameters afterwards.
  ParamArena(Module& root, Stream& stream, std::uint64_t seed);

  /// In the order of the state dict, buffers and counters among them.
  const std::vector<Entry>& entries() const { return entries_; }
  /// Parameters and buffers / parameters only / gradients of the parameters. f32, padding 0.
  std::span<float> values() const;
  std::span<float> parameters() const;
  std::span<float> grads() const;
  void zero_grads();

  /// Lets the model read and write another buffer laid out like values() (an average). Returns the
  /// buffer in use before.
  Tensor bind_values(Tensor values);
  const Tensor& values_tensor() const { return values_; }
  const Tensor& grads_tensor() const { return grads_; }
  std::int64_t parameter_count() const { return parameter_floats_; }

  Stream& stream() const { return stream_; }

 private:
  void lay_out(Module& root);
  void fill(std::uint64_t seed);
  void bind();

  Stream& stream_;
  std::vector<Entry> entries_;
  std::int64_t parameter_floats_ = 0, total_floats_ = 0;
  Tensor values_, grads_;
};

/// Gives a module's parameters memory (zeros) for as long as it lives, so that a forward pass can be tried
/// for its shapes; afterwards they are as before. Loaded values stay loaded.
class ProbeValues {
 public:
  ProbeValues(Module& root, Stream& stream);
  ~ProbeValues();
  ProbeValues(const ProbeValues&) = delete;
  ProbeValues& operator=(const ProbeValues&) = delete;

 private:
  std::vector<Parameter*> given_;
};

/// The state dict of a model whose values lie in `values` (a buffer of the arena's layout): f32 tensors
/// and int64 counters, in order.
NamedTensors state_dict(const ParamArena& arena, std::span<const float> values);

/// Gives a model the tensors of `weights` whose name and shape agree, before or after it has an arena.
/// Returns the names that were taken.
std::vector<std::string> load_matching(Module& root, const NamedTensors& weights, Stream& stream);

}  // namespace boxcar::nn
