// A tensor on the tape: what modules pass around.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "boxcar/nn/autograd/context.h"
#include "boxcar/nn/autograd/gradient.h"

namespace boxcar::nn {

struct Parameter;

/// A cheap handle, shared by its copies: a tensor [N,H,W,C] (a table is [N,1,rows,C]), possibly
/// lying in channel slices of wider buffers, and its gradient.
class Value {
 public:
  Value() = default;
  /// A constant that broadcasts; it gets its context from the other operand of an op.
  Value(float constant);  // NOLINT: implicit, so that "1.f - x" works
  /// A tensor without gradient, or with (for tests and custom ops).
  Value(Context& context, Tensor tensor, bool requires_grad = false);
  /// A parameter as an operand; its gradient is added to the parameter's.
  explicit Value(Parameter& parameter);

  bool defined() const { return state_ != nullptr; }
  Shape shape() const;
  DType dtype() const;
  bool requires_grad() const;
  /// The constant of a Value(float); meaningless otherwise.
  bool is_constant() const;
  float constant() const;

  /// All channels, possibly with pixels apart.
  const Tensor& tensor() const;
  /// All channels, packed; a late copy (counted) where only a slice exists.
  const Tensor& packed() const;
  /// Host values in NHWC order; synchronizes.
  std::vector<float> to_host() const;

  Context& context() const;
  bool has_context() const;

  /// Adds a piece of gradient; nothing happens without requires_grad.
  void add_grad(Stream& stream, Range of, Tensor piece, Own own) const;
  void add_grad(Stream& stream, Tensor whole, Own own) const;
  Gradient& grad() const;

  /// A part of the result lies here: channels `of`. Used by ops that place their results.
  struct Stored {
    Range of;
    Tensor tensor;
  };
  static Value stored(Context& context, Shape shape, std::vector<Stored> parts, bool requires_grad);
  const std::vector<Stored>& parts() const;

  /// Channels of a value: a view; its gradient goes to this value with the range shifted.
  friend Value channels(const Value& value, Range of);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

Value channels(const Value& value, Range of);

/// A buffer that a concat would have made, allocated when its first part is. Copies share it.
class Wide {
 public:
  Wide() = default;
  explicit Wide(int channels) : state_(std::make_shared<State>(State{channels, {}})) {}
  explicit operator bool() const { return state_ != nullptr; }
  /// Channels first..first+count-1 at the pixel size of `like`.
  Tensor slice(Stream& stream, Shape like, DType dtype, int first, int count) const;

 private:
  struct State {
    int channels;
    Tensor tensor;
  };
  std::shared_ptr<State> state_;
};

/// A hint from whoever knows who will read a result: its channels `of` lie in `wide` from channel
/// `first` on; with no `wide`, in a packed buffer of their own. Ops are right without hints.
struct Place {
  Wide wide;
  int first = 0;
  Range of{};
};
using Places = std::vector<Place>;

/// The parts of a result of `shape` that the hints ask for. A result no hint covers whole gets
/// a packed buffer, unless the hints' ranges cover every channel between them.
std::vector<Value::Stored> place(Context& context, Shape shape, DType dtype, std::span<const Place> places);
kernels::Destinations destinations(const std::vector<Value::Stored>& parts);

}  // namespace boxcar::nn
