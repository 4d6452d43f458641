#include "boxcar/nn/autograd/ops/iou.h"

#include "boxcar/kernels/loss/box_iou.h"
#include "boxcar/nn/autograd/ops/op.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::nn {
namespace {

kernels::IouKind kind_of(Iou kind) {
  switch (kind) {
    case Iou::iou:
      return kernels::IouKind::kIou;
    case Iou::giou:
      return kernels::IouKind::kGiou;
    case Iou::diou:
      return kernels::IouKind::kDiou;
    case Iou::ciou:
      return kernels::IouKind::kCiou;
  }
  fail<ArgumentError>("iou: {} is no kind of overlap; iou, giou, diou and ciou are", static_cast<int>(kind));
}

}  // namespace

Value iou(const Value& first, const Value& second, Iou which) {
  Context& context = context_of({first, second});
  const Value a = operand(context, "iou", first), b = operand(context, "iou", second);
  const kernels::IouKind kind = kind_of(which);
  Shape shape = a.shape();
  shape.c = 1;
  const Tensor y = Tensor::empty(context.stream(), shape);
  kernels::box_iou(context.stream(), {kind, a.tensor(), b.tensor(), y});
  const bool needs_grad = a.requires_grad() || b.requires_grad();
  return result_of(context, "iou", y, needs_grad, [a, b, kind](Stream& stream, const Tensor& dy) {
    const Tensor da = a.requires_grad() ? Tensor::empty(stream, a.shape()) : Tensor();
    const Tensor db = b.requires_grad() ? Tensor::empty(stream, b.shape()) : Tensor();
    kernels::box_iou_backward(stream, {kind, a.tensor(), b.tensor(), dy, da, db});
    if (da) a.add_grad(stream, da, Own::kExclusive);
    if (db) b.add_grad(stream, db, Own::kExclusive);
  });
}

}  // namespace boxcar::nn
