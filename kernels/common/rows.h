// A tensor as a kernel sees it: rows of channels, one row a pixel.
#pragma once

#include <cstdint>

#include "boxcar/kernels/common/host_device.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

template <class T>
struct Rows {
  T* data;
  std::int64_t ld;

  BOXCAR_HD T& operator()(std::int64_t row, std::int64_t channel) const { return data[row * ld + channel]; }
  BOXCAR_HD T* row(std::int64_t r) const { return data + r * ld; }
};

template <class T>
Rows<T> rows_of(const TensorView& view) {
  return {static_cast<T*>(view.data), view.ld};
}

/// Whether a backward op writes its gradient or adds to what is there.
enum class GradMode { kOverwrite, kAdd };

}  // namespace boxcar::kernels
