#include "boxcar/nn/autograd/ops/custom.h"

#include "boxcar/nn/autograd/ops/op.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::nn {
namespace {

std::vector<Tensor> packed(const std::vector<Value>& values) {
  std::vector<Tensor> tensors;
  for (const Value& value : values) tensors.push_back(value.packed());
  return tensors;
}

void hand_on(Stream& stream, const std::vector<Value>& inputs, const std::vector<Tensor>& grads) {
  if (grads.size() != inputs.size()) {
    fail<ShapeError>("custom: backward returned {} gradients for {} inputs; give an empty Tensor where there is none",
                     grads.size(), inputs.size());
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!grads[i] || !inputs[i].requires_grad()) continue;
    if (grads[i].shape() != inputs[i].shape() || grads[i].dtype() != DType::kF32) {
      fail<ShapeError>("custom: backward's gradient {} is {}, input {} is {}", i, grads[i].shape().str(), i,
                       inputs[i].shape().str());
    }
    inputs[i].add_grad(stream, grads[i], Own::kExclusive);
  }
}

}  // namespace

Value custom(const std::vector<Value>& arguments, const CustomForward& forward, CustomBackward backward) {
  Context* context = nullptr;
  for (const Value& value : arguments) {
    if (!context && value.has_context()) context = &value.context();
  }
  if (!context) fail<Error>("custom: no input has a context; include a value of the forward pass");
  std::vector<Value> inputs;
  bool needs_grad = false;
  for (const Value& value : arguments) {
    inputs.push_back(operand(*context, "custom", value));
    needs_grad |= inputs.back().requires_grad();
  }
  const Tensor y = forward(context->stream(), packed(inputs));
  if (!y) fail<ShapeError>("custom: forward returned no tensor");
  return result_of(*context, "custom", y, needs_grad,
                   [inputs, y, backward = std::move(backward)](Stream& stream, const Tensor& dy) {
                     hand_on(stream, inputs, backward(stream, packed(inputs), y, dy));
                   });
}

}  // namespace boxcar::nn
