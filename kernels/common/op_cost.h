// What a call of an op costs at the least, for profiles. An op tells it by an overload of cost_of()
// for its argument struct, beside that struct.
#pragma once

#include "boxcar/runtime/profile/profiler.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// Bytes of the elements; what lies between pixels is not counted.
inline std::int64_t bytes_of(const TensorView& t) {
  return t.data ? t.count() * static_cast<std::int64_t>(size_of(t.dtype)) : 0;
}

/// For ops that do not tell.
template <class Args>
OpCost cost_of(const Args&) {
  return {};
}

}  // namespace boxcar::kernels
