// One thread an element of tensors at strides of any size; for .cu files only.
#pragma once

#include "boxcar/kernels/common/host_device.h"
#include "boxcar/kernels/common/launch.h"
#include "boxcar/kernels/elementwise/strided.h"

namespace boxcar::kernels::cuda {

inline constexpr unsigned kWalkThreads = 256;

/// Several tensors of the same sizes, walked together: what a kernel is given. Axes that lie behind one another in all
/// of them are made one, so that packed tensors cost no division.
template <int kTensors>
class StridedWalk {
 public:
  template <class... More>
  explicit StridedWalk(const Strided& first, const More&... more) {
    static_assert(1 + sizeof...(more) == kTensors);
    const Strided* tensors[] = {&first, &more...};
    for (int t = 0; t < kTensors; ++t) data_[t] = tensors[t]->data;
    for (int axis = 3; axis >= 0; --axis) add_axis(tensors, axis);
  }

  BOXCAR_HD std::int64_t count() const { return count_; }
  Grid grid() const { return grid_for(count_, kWalkThreads); }

  /// Where an element lies in each tensor, counted from its first.
  BOXCAR_DEVICE void offsets(std::int64_t element, std::int64_t (&at)[kTensors]) const {
#pragma unroll
    for (int t = 0; t < kTensors; ++t) at[t] = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {  // innermost first
      if (i >= axes_) break;
      const bool last = i + 1 == axes_;
      const std::int64_t index = last ? element : element % size_[i];
      element = last ? 0 : element / size_[i];
#pragma unroll
      for (int t = 0; t < kTensors; ++t) at[t] += index * stride_[t][i];
    }
  }

  /// Points at the calling thread's element of each tensor; false for threads beyond the last one.
  BOXCAR_DEVICE bool find(float* (&at)[kTensors]) const {
    const std::int64_t element = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
    if (element >= count_) return false;
    std::int64_t offset[kTensors];
    offsets(element, offset);
#pragma unroll
    for (int t = 0; t < kTensors; ++t) at[t] = data_[t] + offset[t];
    return true;
  }

 private:
  void add_axis(const Strided* const (&tensors)[kTensors], int axis) {
    const int size = tensors[0]->size[axis];
    count_ *= size;
    if (size == 1) return;
    bool continues = axes_ > 0;
    for (int t = 0; t < kTensors && continues; ++t) {
      continues = tensors[t]->stride[axis] == size_[axes_ - 1] * stride_[t][axes_ - 1];
    }
    if (continues) {
      size_[axes_ - 1] *= size;
      return;
    }
    for (int t = 0; t < kTensors; ++t) stride_[t][axes_] = tensors[t]->stride[axis];
    size_[axes_++] = size;
  }

  float* data_[kTensors] = {};
  std::int64_t count_ = 1, size_[4] = {}, stride_[kTensors][4] = {};
  int axes_ = 0;
};

}  // namespace boxcar::kernels::cuda
