#include "boxcar/nn/autograd/ops/op.h"

#include "boxcar/kernels/reduce/reduce.h"
#include "boxcar/nn/autograd/ops/structure.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::nn {
namespace {

class OpNode final : public Node {
 public:
  OpNode(const char* op, Value y, TakeBack take_back) : op_(op), y_(std::move(y)), take_back_(std::move(take_back)) {}
  const char* name() const override { return op_; }
  void backward(Context& context) override {
    if (y_.grad().empty()) return;
    const Tensor dy = y_.grad().as_one(context.stream());
    y_.grad().release();
    take_back_(context.stream(), dy);
  }

 private:
  const char* op_;
  Value y_;
  TakeBack take_back_;
};

}  // namespace

Context& context_of(std::initializer_list<Value> operands) {
  for (const Value& value : operands) {
    if (value.has_context()) return value.context();
  }
  return operands.begin()->context();  // throws, saying why
}

Value operand(Context& context, const char* op, const Value& value) {
  if (!value.defined()) fail<Error>("{}: an operand is an empty Value; give it a tensor or a number", op);
  if (value.is_constant()) return Value(context, Tensor::from(context.stream(), {}, {value.constant()}));
  return cast(context, value, DType::kF32);
}

Value result_of(Context& context, const char* op, Tensor y, bool needs_grad, TakeBack take_back) {
  Value value(context, std::move(y), needs_grad);
  if (value.requires_grad()) context.record(std::make_unique<OpNode>(op, value, std::move(take_back)));
  return value;
}

void add_broadcast_grad(Stream& stream, const Value& operand, const Tensor& gradient, Own own) {
  if (!operand.requires_grad()) return;
  if (operand.shape() == gradient.shape()) {
    operand.add_grad(stream, gradient, own);
    return;
  }
  const Tensor sum = Tensor::empty(stream, operand.shape());
  kernels::reduce(stream, {kernels::Reduction::kSum, gradient, sum});
  operand.add_grad(stream, sum, Own::kExclusive);
}

}  // namespace boxcar::nn
