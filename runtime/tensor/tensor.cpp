#include "boxcar/runtime/tensor/tensor.h"

#include <cstring>

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

TensorView packed_view(void* data, Shape shape, DType dtype) {
  return {data, dtype, shape.n, shape.h, shape.w, shape.c, shape.c};
}

template <class T>
float element(const std::byte* data, std::int64_t i) {
  T value;
  std::memcpy(&value, data + i * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return static_cast<float>(value);
}

float element(const std::byte* data, DType dtype, std::int64_t i) {
  switch (dtype) {
    case DType::kF32:
      return element<float>(data, i);
    case DType::kBF16:
      return element<bfloat16>(data, i);
    case DType::kI32:
      return element<std::int32_t>(data, i);
    case DType::kU8:
      return element<std::uint8_t>(data, i);
    default:
      fail<ShapeError>("Tensor::to_host does not convert {}", name_of(dtype));
  }
}

}  // namespace

std::string Shape::str() const { return fmt::format("[{},{},{},{}]", n, h, w, c); }

TensorView TensorView::channels(int first, int count) const {
  if (first < 0 || count < 0 || first + count > c) {
    fail<ShapeError>("channels {}..{} of a tensor {} do not exist", first, first + count - 1, shape().str());
  }
  TensorView part = *this;
  part.data = static_cast<std::byte*>(data) + static_cast<std::size_t>(first) * size_of(dtype);
  part.c = count;
  return part;
}

int TensorView::vector_width() const {
  const auto address = reinterpret_cast<std::uintptr_t>(data) / size_of(dtype);
  const int widest = static_cast<int>(16 / size_of(dtype));
  for (int width = widest; width > 1; width /= 2) {
    if (address % static_cast<unsigned>(width) == 0 && ld % width == 0 && c % width == 0) return width;
  }
  return 1;
}

Tensor Tensor::wrap(TensorView view, std::shared_ptr<void> owner) {
  Tensor tensor;
  tensor.view_ = view;
  tensor.owner_ = std::move(owner);
  return tensor;
}

Tensor Tensor::empty(Stream& stream, Shape shape, DType dtype) {
  if (shape.n < 0 || shape.h < 0 || shape.w < 0 || shape.c < 0) {
    fail<ShapeError>("a tensor cannot have the shape {}", shape.str());
  }
  auto owner = MemoryPool::allocate(stream.pool(), static_cast<std::size_t>(shape.count()) * size_of(dtype));
  const TensorView view = packed_view(owner.get(), shape, dtype);
  return wrap(view, std::move(owner));
}

Tensor Tensor::zeros(Stream& stream, Shape shape, DType dtype) {
  Tensor tensor = empty(stream, shape, dtype);
  stream.fill(tensor.view_.data, 0, static_cast<std::size_t>(shape.count()) * size_of(dtype));
  return tensor;
}

Tensor Tensor::from(Stream& stream, Shape shape, const std::vector<float>& values) {
  if (static_cast<std::int64_t>(values.size()) != shape.count()) {
    fail<ShapeError>("{} values do not fill a tensor {}", values.size(), shape.str());
  }
  Tensor tensor = empty(stream, shape);
  stream.copy(tensor.view_.data, values.data(), values.size() * sizeof(float));
  stream.synchronize();  // the copy reads `values`, which the caller may drop
  return tensor;
}

Tensor Tensor::channels(int first, int count) const { return wrap(view_.channels(first, count), owner_); }

Tensor Tensor::reshaped(Shape shape) const {
  if (!packed() || shape.count() != count()) {
    fail<ShapeError>("a tensor {} (ld {}) cannot be read as {}", view_.shape().str(), view_.ld, shape.str());
  }
  return wrap(packed_view(view_.data, shape, view_.dtype), owner_);
}

Tensor Tensor::clone(Stream& stream) const {
  Tensor copy = empty(stream, shape(), dtype());
  const std::size_t element_bytes = size_of(dtype());
  if (packed()) {
    stream.copy(copy.view_.data, view_.data, static_cast<std::size_t>(count()) * element_bytes);
    return copy;
  }
  const std::size_t row = static_cast<std::size_t>(view_.c) * element_bytes;
  for (std::int64_t p = 0; p < view_.pixels(); ++p) {
    stream.copy(static_cast<std::byte*>(copy.view_.data) + p * static_cast<std::int64_t>(row),
                static_cast<std::byte*>(view_.data) + p * view_.ld * static_cast<std::int64_t>(element_bytes), row);
  }
  return copy;
}

std::vector<float> Tensor::to_host(Stream& stream) const {
  const Tensor source = packed() ? *this : clone(stream);
  std::vector<std::byte> bytes(static_cast<std::size_t>(count()) * size_of(dtype()));
  stream.copy(bytes.data(), source.view_.data, bytes.size());
  stream.synchronize();
  std::vector<float> values(static_cast<std::size_t>(count()));
  for (std::int64_t i = 0; i < count(); ++i) values[static_cast<std::size_t>(i)] = element(bytes.data(), dtype(), i);
  return values;
}

}  // namespace boxcar
