#include "support/tensors.h"

#include <cmath>
#include <limits>
#include <random>

namespace boxcar::test {

std::vector<float> random_values(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(random()) / 4294967296.0f * 6.0f - 3.0f);
  }
  return values;
}

std::vector<float> whole_values(std::int64_t count, int most, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto draw = static_cast<int>(random() % static_cast<unsigned>(2 * most));
    values.push_back(static_cast<float>(draw < most ? draw - most : draw - most + 1));
  }
  return values;
}

double inner(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

std::vector<float> rounded_to(DType dtype, std::vector<float> values) {
  if (dtype != DType::kBF16) return values;
  for (float& v : values) v = float(bfloat16(v));
  return values;
}

namespace {

template <class T>
Tensor uploaded(Stream& stream, Shape shape, DType dtype, const std::vector<T>& values) {
  const Tensor tensor = Tensor::empty(stream, shape, dtype);
  stream.copy(tensor.view().data, values.data(), values.size() * sizeof(T));
  stream.synchronize();  // the copy reads `values`, which the caller may drop
  return tensor;
}

}  // namespace

Tensor tensor_of(Stream& stream, Shape shape, const std::vector<float>& values, DType dtype) {
  if (dtype == DType::kF32) return Tensor::from(stream, shape, values);
  std::vector<bfloat16> narrow;
  for (const float v : values) narrow.push_back(bfloat16(v));
  return uploaded(stream, shape, dtype, narrow);
}

Tensor tensor_of_bytes(Stream& stream, Shape shape, const std::vector<std::uint8_t>& values) {
  return uploaded(stream, shape, DType::kU8, values);
}

Tensor tensor_of_integers(Stream& stream, Shape shape, const std::vector<std::int32_t>& values) {
  return uploaded(stream, shape, DType::kI32, values);
}

Tensor slice_of(Stream& stream, Shape shape, const std::vector<float>& values, DType dtype, int first, int width) {
  Shape wide = shape;
  wide.c = width;
  std::vector<float> all(static_cast<std::size_t>(wide.count()), std::numeric_limits<float>::quiet_NaN());
  for (std::int64_t p = 0; p < shape.pixels(); ++p) {
    for (int c = 0; c < shape.c; ++c) {
      all[static_cast<std::size_t>(p * width + first + c)] = values[static_cast<std::size_t>(p * shape.c + c)];
    }
  }
  return tensor_of(stream, wide, all, dtype).channels(first, shape.c);
}

Tensor unwritten(Stream& stream, Shape shape, DType dtype) {
  const Tensor tensor = Tensor::empty(stream, shape, dtype);
  stream.fill(tensor.view().data, 0xFF, static_cast<std::size_t>(shape.count()) * size_of(dtype));
  return tensor;
}

void append(std::vector<float>& a, const std::vector<float>& b) { a.insert(a.end(), b.begin(), b.end()); }

}  // namespace boxcar::test
