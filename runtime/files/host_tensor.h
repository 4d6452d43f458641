// Tensors as files hold them: any shape, any element type, in host memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "boxcar/runtime/base/dtype.h"

namespace boxcar {

struct HostTensor {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;  // row-major; empty: a scalar
  std::vector<std::byte> bytes;     // little-endian elements, count() * size_of(dtype)

  std::int64_t count() const {
    std::int64_t product = 1;
    for (const std::int64_t side : shape) product *= side;
    return product;
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(bytes.data());
  }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(bytes.data());
  }
  bool operator==(const HostTensor&) const = default;
};

/// Tensors by name, in the order of the file.
using NamedTensors = std::vector<std::pair<std::string, HostTensor>>;

}  // namespace boxcar
