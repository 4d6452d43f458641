// What a forward pass runs with: the first argument of every forward().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "boxcar/runtime/base/dtype.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::nn {

class Context;
struct Parameter;

/// One op of the forward pass and how its gradient goes back. Reads the gradients of its outputs
/// and adds to those of its inputs; what it saved dies with it.
class Node {
 public:
  virtual ~Node() = default;
  virtual const char* name() const = 0;
  virtual void backward(Context& context) = 0;
};

enum class Pass {
  kTrain,     // batch statistics, gradients recorded
  kEvaluate,  // running statistics, nothing recorded
};

/// Work of a forward pass, counted as it runs. The last grows with the square of the number of pixels, all others with
/// the number.
struct Cost {
  std::int64_t conv_multiply_adds = 0;
  std::int64_t conv_inputs = 0, conv_outputs = 0;  // elements
  std::int64_t norm_elements = 0;                  // that went into batch norms
  std::int64_t attention_multiply_adds = 0;
};

/// Holds the tape. Values made with it must not outlive it. One thread.
class Context {
 public:
  /// `activations`: type of what layers hand on, f32 or bf16. Convolutions and norms run in it, with f32 parameters
  /// and statistics; the head's last convolutions and all small ops give f32.
  explicit Context(Stream& stream, Pass pass = Pass::kTrain, DType activations = DType::kF32)
      : stream_(stream), pass_(pass), activations_(activations) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  Stream& stream() const { return stream_; }
  bool training() const { return pass_ == Pass::kTrain; }
  DType activations() const { return activations_; }

  void record(std::unique_ptr<Node> node) { tape_.push_back(std::move(node)); }
  /// Runs all nodes' backward in reverse order; each is dropped as soon as it has run.
  void backward();
  std::size_t tape_size() const { return tape_.size(); }

  /// Copies made because a convolution needed packed channels or a concat's parts did not lie
  /// side by side; zero in the built-in models.
  std::int64_t copies() const { return copies_; }
  void count_copy() { ++copies_; }
  Cost& cost() { return cost_; }

  /// What bf16 convolutions on a GPU read of a parameter that lies in an arena: its values rounded. All parameters of
  /// the arena are rounded at once when the first is asked for, and what was rounded lives no longer than this pass: no
  /// step, load or exchange of the values between passes can leave an old copy behind. Nothing in f32 and on a CPU,
  /// where the library rounds while it reorders.
  std::optional<TensorView> rounded(const Parameter& parameter);
  /// To be called by what changes parameters in the middle of a pass: they are rounded once more.
  void parameters_changed() { rounded_.clear(); }
  /// Of the rounded values there are.
  std::size_t rounded_bytes() const;

 private:
  struct RoundedArena {
    Tensor values, copy;
  };

  Stream& stream_;
  Pass pass_;
  DType activations_;
  std::vector<std::unique_ptr<Node>> tape_;
  std::int64_t copies_ = 0;
  Cost cost_;
  std::vector<RoundedArena> rounded_;  // of each arena that was met
};

}  // namespace boxcar::nn
