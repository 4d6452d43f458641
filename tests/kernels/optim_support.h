// Buffers and coefficients of optimizer steps, for the tests of optim/.
#pragma once

#include <vector>

#include "boxcar/kernels/optim/coefficients.h"
#include "support/tensors.h"

namespace boxcar::test {

/// Numbers in [-1, 1) that follow from `state`.
inline std::vector<float> noise(std::size_t count, std::uint32_t state) {
  std::vector<float> v(count);
  for (float& x : v) x = float((state = state * 1664525u + 1013904223u) >> 8) / float(1 << 23) - 1.0f;
  return v;
}

/// A row of values on the device.
inline Tensor flat(Stream& stream, const std::vector<float>& values) {
  return tensor_of(stream, {1, 1, 1, static_cast<int>(values.size())}, values);
}

/// Memory for one T on the device.
template <class T>
class OnDevice {
 public:
  explicit OnDevice(Stream& stream) : memory_(Tensor::zeros(stream, {1, 1, 1, sizeof(T)}, DType::kU8)) {}
  T* get() const { return memory_.as<T>(); }
  T read(Stream& stream) const {
    T host;
    stream.copy(&host, get(), sizeof(T));
    stream.synchronize();
    return host;
  }

 private:
  Tensor memory_;
};

/// Two groups of different rates, at step 3.
inline kernels::StepCoefficients two_groups(kernels::OptimKind kind) {
  kernels::StepCoefficients c;
  c.groups[0] = kernels::update_coefficients(kind, {0.01, 0.9, 0.1, 3, 0.5});
  c.groups[1] = kernels::update_coefficients(kind, {0.02, 0.8, 0.0, 3, 0.5});
  c.average_weight = 0.25f;
  return c;
}

}  // namespace boxcar::test
