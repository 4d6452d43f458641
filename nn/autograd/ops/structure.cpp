#include "boxcar/nn/autograd/ops/structure.h"

#include <algorithm>

#include "boxcar/kernels/common/copy.h"
#include "boxcar/kernels/resample/upsample.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::nn {
namespace {

class ConcatNode final : public Node {
 public:
  ConcatNode(std::vector<Value> parts, Value y) : parts_(std::move(parts)), y_(std::move(y)) {}
  const char* name() const override { return "concat"; }

  void backward(Context& context) override {
    if (y_.grad().empty()) return;
    const Tensor dy = y_.grad().as_one(context.stream());
    int first = 0;
    for (const Value& part : parts_) {
      const int count = part.shape().c;
      part.add_grad(context.stream(), dy.channels(first, count), Own::kShared);
      first += count;
    }
  }

 private:
  std::vector<Value> parts_;
  Value y_;
};

// The wide buffer in which all parts lie side by side and which they fill, if there is one.
Tensor common_buffer(std::span<const Value> parts, int channels) {
  for (const Value::Stored& candidate : parts.front().parts()) {
    const TensorView first = candidate.tensor.view();
    if (candidate.of != Range{0, parts.front().shape().c} || first.ld != channels) continue;
    const auto* expected = static_cast<const std::byte*>(first.data);
    bool all = true;
    for (const Value& part : parts) {
      bool found = false;
      for (const Value::Stored& stored : part.parts()) {
        found |= stored.of == Range{0, part.shape().c} && stored.tensor.view().data == expected &&
                 stored.tensor.view().ld == channels;
      }
      all &= found;
      expected += static_cast<std::size_t>(part.shape().c) * size_of(first.dtype);
    }
    if (!all) continue;
    TensorView wide = first;
    wide.c = channels;
    return Tensor::wrap(wide, std::make_shared<Tensor>(candidate.tensor));
  }
  return {};
}

Tensor copied(Context& context, std::span<const Value> parts, Shape shape) {
  const Tensor wide = Tensor::empty(context.stream(), shape, parts.front().dtype());
  int first = 0;
  for (const Value& part : parts) {
    kernels::copy(context.stream(), {part.tensor(), wide.channels(first, part.shape().c)});
    first += part.shape().c;
  }
  context.count_copy();
  return wide;
}

Shape concat_shape(std::span<const Value> parts) {
  if (parts.empty()) fail<ShapeError>("concat needs at least one part");
  Shape shape = parts.front().shape();
  shape.c = 0;
  for (const Value& part : parts) {
    const Shape s = part.shape();
    if (s.n != shape.n || s.h != shape.h || s.w != shape.w) {
      fail<ShapeError>("concat: {} and {} differ in more than channels", parts.front().shape().str(), s.str());
    }
    shape.c += s.c;
  }
  return shape;
}

class UpsampleNode final : public Node {
 public:
  UpsampleNode(Value x, Value y, int factor) : x_(std::move(x)), y_(std::move(y)), factor_(factor) {}
  const char* name() const override { return "upsample"; }
  void backward(Context& context) override {
    if (y_.grad().empty()) return;
    const Tensor dx = Tensor::empty(context.stream(), x_.shape(), x_.dtype());
    kernels::upsample_backward(context.stream(), {y_.grad().pieces(), dx, factor_});
    y_.grad().release();
    x_.add_grad(context.stream(), dx, Own::kExclusive);
  }

 private:
  Value x_, y_;
  int factor_;
};

class MaxPoolNode final : public Node {
 public:
  MaxPoolNode(Value x, Value y, Tensor winners, kernels::PoolOptions options)
      : x_(std::move(x)), y_(std::move(y)), winners_(std::move(winners)), options_(options) {}
  const char* name() const override { return "max_pool"; }
  void backward(Context& context) override {
    if (y_.grad().empty()) return;
    Stream& stream = context.stream();
    const Tensor dy = y_.grad().as_one(stream);
    const Tensor dx = Tensor::empty(stream, x_.shape(), x_.dtype());
    kernels::max_pool_backward(stream, {dy, winners_.as<std::uint8_t>(), dx, options_});
    x_.add_grad(stream, dx, Own::kExclusive);
  }

 private:
  Value x_, y_;
  Tensor winners_;
  kernels::PoolOptions options_;
};

class AddNode final : public Node {
 public:
  AddNode(Value a, Value b, Value y) : a_(std::move(a)), b_(std::move(b)), y_(std::move(y)) {}
  const char* name() const override { return "add"; }
  void backward(Context& context) override {
    for (const Gradient::Piece& piece : y_.grad().list()) {
      a_.add_grad(context.stream(), piece.of, piece.tensor, Own::kShared);
      b_.add_grad(context.stream(), piece.of, piece.tensor, Own::kShared);
    }
  }

 private:
  Value a_, b_, y_;
};

bool of_one_type(std::span<const Value> values) {
  return std::ranges::all_of(values, [&](const Value& value) { return value.dtype() == values.front().dtype(); });
}

class CastNode final : public Node {
 public:
  CastNode(Value x, Value y) : x_(std::move(x)), y_(std::move(y)) {}
  const char* name() const override { return "cast"; }
  void backward(Context& context) override {
    Stream& stream = context.stream();
    for (const Gradient::Piece& piece : y_.grad().list()) {
      const Tensor dx = Tensor::empty(stream, piece.tensor.shape(), x_.dtype());
      kernels::copy(stream, {piece.tensor, dx});
      x_.add_grad(stream, piece.of, dx, Own::kExclusive);
    }
    y_.grad().release();
  }

 private:
  Value x_, y_;
};

}  // namespace

Value cast(Context& context, const Value& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  const Tensor y = Tensor::empty(context.stream(), x.shape(), dtype);
  kernels::copy(context.stream(), {x.tensor(), y});
  Value value(context, y, x.requires_grad());
  if (value.requires_grad()) context.record(std::make_unique<CastNode>(x, value));
  return value;
}

Value concat(Context& context, std::span<const Value> parts, std::span<const Place> places) {
  if (!of_one_type(parts)) {
    std::vector<Value> alike;
    for (const Value& part : parts) alike.push_back(cast(context, part, context.activations()));
    return concat(context, alike, places);
  }
  const Shape shape = concat_shape(parts);
  Tensor wide = common_buffer(parts, shape.c);
  if (!wide) wide = copied(context, parts, shape);
  std::vector<Value::Stored> stored{{{0, shape.c}, wide}};
  for (const Place& p : places) {
    if (!p.wide) continue;
    const Tensor to = p.wide.slice(context.stream(), shape, wide.dtype(), p.first, p.of.count);
    kernels::copy(context.stream(), {wide.channels(p.of.first, p.of.count), to});
    context.count_copy();
    stored.push_back({p.of, to});
  }
  bool needs_grad = false;
  for (const Value& part : parts) needs_grad |= part.requires_grad();
  Value y = Value::stored(context, shape, std::move(stored), needs_grad);
  if (y.requires_grad()) {
    context.record(std::make_unique<ConcatNode>(std::vector<Value>(parts.begin(), parts.end()), y));
  }
  return y;
}

Value upsample(Context& context, const Value& x, int factor, std::span<const Place> places) {
  Shape shape = x.shape();
  shape.h *= factor;
  shape.w *= factor;
  std::vector<Value::Stored> parts = place(context, shape, x.dtype(), places);
  kernels::upsample_forward(context.stream(), {x.tensor(), destinations(parts), factor});
  Value y = Value::stored(context, shape, std::move(parts), x.requires_grad());
  if (y.requires_grad()) context.record(std::make_unique<UpsampleNode>(x, y, factor));
  return y;
}

Value max_pool(Context& context, const Value& x, kernels::PoolOptions options, std::span<const Place> places) {
  Shape shape = x.shape();
  shape.h = kernels::pool_output_size(shape.h, options);
  shape.w = kernels::pool_output_size(shape.w, options);
  std::vector<Value::Stored> parts = place(context, shape, x.dtype(), places);
  const Tensor winners = context.training() ? Tensor::empty(context.stream(), shape, DType::kU8) : Tensor();
  kernels::max_pool_forward(
      context.stream(), {x.tensor(), parts.front().tensor, winners ? winners.as<std::uint8_t>() : nullptr, options});
  for (std::size_t i = 1; i < parts.size(); ++i) {
    kernels::copy(context.stream(),
                  {parts.front().tensor.channels(parts[i].of.first, parts[i].of.count), parts[i].tensor});
  }
  Value y = Value::stored(context, shape, std::move(parts), x.requires_grad());
  if (y.requires_grad()) context.record(std::make_unique<MaxPoolNode>(x, y, winners, options));
  return y;
}

Value add(Context& context, const Value& a, const Value& b) {
  if (a.dtype() != b.dtype()) {
    return add(context, cast(context, a, context.activations()), cast(context, b, context.activations()));
  }
  const Tensor y = Tensor::empty(context.stream(), a.shape(), a.dtype());
  const Range all{0, a.shape().c};
  kernels::sum_pieces(context.stream(), {{{all, a.tensor()}, {all, b.tensor()}}, y});
  Value value(context, y, a.requires_grad() || b.requires_grad());
  if (value.requires_grad()) context.record(std::make_unique<AddNode>(a, b, value));
  return value;
}

}  // namespace boxcar::nn
