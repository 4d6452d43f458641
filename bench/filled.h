// What kernels are timed on.
#pragma once

#include <vector>

#include "boxcar/kernels/common/copy.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar {

/// A packed tensor of values from -2 to 2 that look random.
inline Tensor filled(Stream& stream, Shape shape, DType dtype = DType::kF32) {
  std::vector<float> values(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 7919 % 2003) / 500.0f - 2.0f;
  const Tensor floats = Tensor::from(stream, shape, values);
  if (dtype == DType::kF32) return floats;
  const Tensor tensor = Tensor::empty(stream, shape, dtype);
  kernels::copy(stream, {floats, tensor});
  return tensor;
}

}  // namespace boxcar
