// One descriptor of cuDNN's backend API (its graph API in plain C), which says everything with typed attributes.
#pragma once

#include <cudnn_graph.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "boxcar/runtime/base/error.h"

namespace boxcar::kernels {

/// Throws DeviceError with the expression and the library's own words if a call of cuDNN failed.
inline void check_cudnn(cudnnStatus_t status, const char* expression) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::array<char, 512> words{};
  cudnnGetLastErrorString(words.data(), words.size());
  fail<DeviceError>("{} failed: {}{}{}", expression, cudnnGetErrorString(status), words[0] ? ": " : "", words.data());
}
#define BOXCAR_CHECK_CUDNN(expression) ::boxcar::kernels::check_cudnn((expression), #expression)

/// The name of a C++ type among the types of attributes.
template <class T>
constexpr cudnnBackendAttributeType_t kCudnnType = [] {
  static_assert(sizeof(T) == 0, "no attribute has this type");
  return CUDNN_TYPE_INT64;
}();
#define BOXCAR_CUDNN_TYPE(T, name) \
  template <>                      \
  inline constexpr cudnnBackendAttributeType_t kCudnnType<T> = name
BOXCAR_CUDNN_TYPE(std::int64_t, CUDNN_TYPE_INT64);
BOXCAR_CUDNN_TYPE(std::int32_t, CUDNN_TYPE_INT32);
BOXCAR_CUDNN_TYPE(float, CUDNN_TYPE_FLOAT);
BOXCAR_CUDNN_TYPE(bool, CUDNN_TYPE_BOOLEAN);
BOXCAR_CUDNN_TYPE(char, CUDNN_TYPE_CHAR);
BOXCAR_CUDNN_TYPE(cudnnHandle_t, CUDNN_TYPE_HANDLE);
BOXCAR_CUDNN_TYPE(cudnnDataType_t, CUDNN_TYPE_DATA_TYPE);
BOXCAR_CUDNN_TYPE(cudnnConvolutionMode_t, CUDNN_TYPE_CONVOLUTION_MODE);
BOXCAR_CUDNN_TYPE(cudnnPointwiseMode_t, CUDNN_TYPE_POINTWISE_MODE);
BOXCAR_CUDNN_TYPE(cudnnBackendHeurMode_t, CUDNN_TYPE_HEUR_MODE);
BOXCAR_CUDNN_TYPE(cudnnBackendKnobType_t, CUDNN_TYPE_KNOB_TYPE);
BOXCAR_CUDNN_TYPE(cudnnBackendNumericalNote_t, CUDNN_TYPE_NUMERICAL_NOTE);
BOXCAR_CUDNN_TYPE(cudnnBackendBehaviorNote_t, CUDNN_TYPE_BEHAVIOR_NOTE);
#undef BOXCAR_CUDNN_TYPE

/// Owns a descriptor. What it is given by set() is kept alive by the library.
class CudnnDescriptor {
 public:
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type) {
    BOXCAR_CHECK_CUDNN(cudnnBackendCreateDescriptor(type, &descriptor_));
  }
  ~CudnnDescriptor() {
    if (descriptor_) cudnnBackendDestroyDescriptor(descriptor_);
  }
  CudnnDescriptor(CudnnDescriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  CudnnDescriptor& operator=(CudnnDescriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  cudnnBackendDescriptor_t get() const { return descriptor_; }

  CudnnDescriptor& finalize() {
    BOXCAR_CHECK_CUDNN(cudnnBackendFinalize(descriptor_));
    return *this;
  }

  template <class T, std::size_t kExtent>
  CudnnDescriptor& set_all(cudnnBackendAttributeName_t name, std::span<T, kExtent> values) {
    return set_raw(name, kCudnnType<std::remove_const_t<T>>, values.size(), values.data());
  }
  template <class T>
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, T value) {
    return set_all(name, std::span(&value, 1));
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, const CudnnDescriptor& value) {
    return set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.descriptor_);
  }
  CudnnDescriptor& set_all(cudnnBackendAttributeName_t name, const std::vector<CudnnDescriptor>& values) {
    std::vector<cudnnBackendDescriptor_t> raw;
    for (const CudnnDescriptor& value : values) raw.push_back(value.get());
    return set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, raw.size(), raw.data());
  }
  CudnnDescriptor& set_pointers(cudnnBackendAttributeName_t name, std::span<void* const> values) {
    return set_raw(name, CUDNN_TYPE_VOID_PTR, values.size(), values.data());
  }

  template <class T>
  T value(cudnnBackendAttributeName_t name) const {
    T value{};
    std::int64_t count = 0;
    BOXCAR_CHECK_CUDNN(cudnnBackendGetAttribute(descriptor_, name, kCudnnType<T>, 1, &count, &value));
    return value;
  }
  /// At most `most`.
  template <class T>
  std::vector<T> values(cudnnBackendAttributeName_t name, int most) const {
    std::vector<T> values(static_cast<std::size_t>(most));
    std::int64_t count = 0;
    BOXCAR_CHECK_CUDNN(cudnnBackendGetAttribute(descriptor_, name, kCudnnType<T>, most, &count, values.data()));
    values.resize(static_cast<std::size_t>(std::min<std::int64_t>(count, most)));
    return values;
  }
  /// Descriptors are made beforehand, for the library to fill.
  std::vector<CudnnDescriptor> descriptors(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
                                           std::int64_t most) const {
    std::vector<CudnnDescriptor> made;
    std::vector<cudnnBackendDescriptor_t> raw;
    for (std::int64_t i = 0; i < most; ++i) raw.push_back(made.emplace_back(type).get());
    std::int64_t count = 0;
    BOXCAR_CHECK_CUDNN(
        cudnnBackendGetAttribute(descriptor_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, &count, raw.data()));
    while (static_cast<std::int64_t>(made.size()) > count) made.pop_back();
    return made;
  }
  std::int64_t count(cudnnBackendAttributeName_t name) const {
    std::int64_t count = 0;
    BOXCAR_CHECK_CUDNN(cudnnBackendGetAttribute(descriptor_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr));
    return count;
  }

 private:
  CudnnDescriptor& set_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::size_t count,
                           const void* values) {
    BOXCAR_CHECK_CUDNN(cudnnBackendSetAttribute(descriptor_, name, type, static_cast<std::int64_t>(count), values));
    return *this;
  }

  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

}  // namespace boxcar::kernels
