#include "boxcar/nn/autograd/value.h"

#include <algorithm>

#include "boxcar/kernels/common/copy.h"
#include "boxcar/nn/autograd/parameter.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::nn {

struct Value::State {
  Context* context = nullptr;
  Shape shape;
  DType dtype = DType::kF32;
  std::vector<Stored> parts;
  bool requires_grad = false;
  Gradient grad;
  std::shared_ptr<State> parent;  // of a channel view
  int first = 0;                  // its first channel in the parent
  Parameter* parameter = nullptr;
  bool is_constant = false;
  float constant = 0;
};

Value::Value(float constant) : state_(std::make_shared<State>()) {
  state_->is_constant = true;
  state_->constant = constant;
}

Value::Value(Context& context, Tensor tensor, bool requires_grad) {
  const Shape shape = tensor.shape();
  *this = stored(context, shape, {{{0, shape.c}, std::move(tensor)}}, requires_grad);
}

Value::Value(Parameter& parameter) : state_(std::make_shared<State>()) {
  state_->parameter = &parameter;
  state_->shape = parameter.shape;
  state_->requires_grad = parameter.trainable;
}

Value Value::stored(Context& context, Shape shape, std::vector<Stored> parts, bool requires_grad) {
  Value value;
  value.state_ = std::make_shared<State>();
  State& state = *value.state_;
  state.context = &context;
  state.shape = shape;
  state.dtype = parts.front().tensor.dtype();
  state.parts = std::move(parts);
  state.requires_grad = requires_grad && context.training();
  state.grad = Gradient(shape, state.dtype);
  return value;
}

Shape Value::shape() const { return state_->shape; }
DType Value::dtype() const { return state_->dtype; }
bool Value::requires_grad() const {
  return state_ && (state_->parameter ? state_->parameter->trainable : state_->requires_grad);
}
bool Value::is_constant() const { return state_ && state_->is_constant; }
float Value::constant() const { return state_->constant; }
bool Value::has_context() const { return state_ && state_->context; }
const std::vector<Value::Stored>& Value::parts() const { return state_->parts; }
Gradient& Value::grad() const { return state_->grad; }

Context& Value::context() const {
  if (!has_context()) {
    fail<Error>(
        "an op on constants and parameters alone has no context to run in; include a value of the forward pass");
  }
  return *state_->context;
}

namespace {

const Value::Stored* whole(const std::vector<Value::Stored>& parts, Shape shape, bool packed) {
  for (const Value::Stored& part : parts) {
    if (part.of == Range{0, shape.c} && (!packed || part.tensor.packed())) return &part;
  }
  return nullptr;
}

}  // namespace

const Tensor& Value::tensor() const {
  if (state_->parameter) return state_->parameter->value;
  if (const Stored* packed = whole(state_->parts, state_->shape, true)) return packed->tensor;
  if (const Stored* any = whole(state_->parts, state_->shape, false)) return any->tensor;
  return packed();
}

const Tensor& Value::packed() const {
  if (state_->parameter) return state_->parameter->value;
  if (const Stored* found = whole(state_->parts, state_->shape, true)) return found->tensor;
  Context& c = context();
  const Tensor copy = Tensor::empty(c.stream(), state_->shape, state_->dtype);
  for (const Stored& part : state_->parts) {
    kernels::copy(c.stream(), {part.tensor, copy.view().channels(part.of.first, part.of.count)});
  }
  c.count_copy();
  state_->parts.insert(state_->parts.begin(), {{0, state_->shape.c}, copy});
  return state_->parts.front().tensor;
}

std::vector<float> Value::to_host() const { return packed().to_host(context().stream()); }

void Value::add_grad(Stream& stream, Range of, Tensor piece, Own own) const {
  if (!requires_grad()) return;
  State* state = state_.get();
  if (state->parameter) {
    const TensorView grad = state->parameter->grad;
    kernels::sum_pieces(stream, {{{{0, grad.c}, grad}, {of, piece}}, grad});
    return;
  }
  while (state->parent) {
    of.first += state->first;
    state = state->parent.get();
  }
  state->grad.add(stream, of, std::move(piece), own);
}

void Value::add_grad(Stream& stream, Tensor piece, Own own) const {
  add_grad(stream, {0, state_->shape.c}, std::move(piece), own);
}

Value channels(const Value& value, Range of) {
  const Value::State& parent = *value.state_;
  if (of.first < 0 || of.count < 1 || of.first + of.count > parent.shape.c) {
    fail<ShapeError>("channels {}..{} of a value {} do not exist", of.first, of.first + of.count - 1,
                     parent.shape.str());
  }
  std::vector<Value::Stored> parts;
  for (const Value::Stored& part : parent.parts) {
    const int first = of.first - part.of.first;
    if (first >= 0 && first + of.count <= part.of.count) {
      parts.push_back({{0, of.count}, part.tensor.channels(first, of.count)});
    }
  }
  if (parts.empty()) parts.push_back({{0, of.count}, value.packed().channels(of.first, of.count)});
  Shape shape = parent.shape;
  shape.c = of.count;
  Value view = Value::stored(*parent.context, shape, std::move(parts), parent.requires_grad);
  view.state_->parent = value.state_;
  view.state_->first = of.first;
  return view;
}

Tensor Wide::slice(Stream& stream, Shape like, DType dtype, int first, int count) const {
  if (!state_->tensor) state_->tensor = Tensor::empty(stream, {like.n, like.h, like.w, state_->channels}, dtype);
  const Shape have = state_->tensor.shape();
  if (have.n != like.n || have.h != like.h || have.w != like.w) {
    fail<ShapeError>("parts of sizes {} and {} cannot be concatenated", have.str(), like.str());
  }
  return state_->tensor.channels(first, count);
}

std::vector<Value::Stored> place(Context& context, Shape shape, DType dtype, std::span<const Place> places) {
  std::vector<Value::Stored> parts;
  std::vector<bool> covered(static_cast<std::size_t>(shape.c), false);
  for (const Place& p : places) {
    Shape part = shape;
    part.c = p.of.count;
    parts.push_back({p.of, p.wide ? p.wide.slice(context.stream(), shape, dtype, p.first, p.of.count)
                                  : Tensor::empty(context.stream(), part, dtype)});
    std::fill_n(covered.begin() + p.of.first, p.of.count, true);
  }
  if (std::find(covered.begin(), covered.end(), false) != covered.end() || parts.empty()) {
    parts.push_back({{0, shape.c}, Tensor::empty(context.stream(), shape, dtype)});
  }
  return parts;
}

kernels::Destinations destinations(const std::vector<Value::Stored>& parts) {
  kernels::Destinations list;
  for (const Value::Stored& part : parts) list.push_back({part.of, part.tensor.view()});
  return list;
}

}  // namespace boxcar::nn
