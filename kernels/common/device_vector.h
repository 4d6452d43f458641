// Vector loads and stores of kernels; for .cu files only.
//
// A thread handles kWidth neighbouring channels with one access of up to 16 bytes and computes
// in float. The access is typed (uint4, not memcpy), so that a misaligned one is an error.
#pragma once

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <type_traits>

#include "boxcar/kernels/common/launch.h"
#include "boxcar/kernels/common/rows.h"

namespace boxcar::kernels::cuda {

template <int kBytes>
struct RawBytes;
template <>
struct RawBytes<16> {
  using Type = uint4;
};
template <>
struct RawBytes<8> {
  using Type = uint2;
};
template <>
struct RawBytes<4> {
  using Type = unsigned;
};
template <>
struct RawBytes<2> {
  using Type = unsigned short;
};
template <>
struct RawBytes<1> {
  using Type = unsigned char;
};

/// Reads kWidth elements; more than 16 bytes with several accesses. `from` is a multiple of kWidth elements, or of
/// 16 bytes.
template <int kWidth, class T>
BOXCAR_DEVICE void load_elements(const T* from, T (&elements)[kWidth]) {
  constexpr int kSize = static_cast<int>(sizeof(T)), kChunk = kWidth * kSize > 16 ? 16 / kSize : kWidth;
  using Raw = typename RawBytes<kChunk * kSize>::Type;
#pragma unroll
  for (int i = 0; i < kWidth; i += kChunk) {
    const Raw raw = *reinterpret_cast<const Raw*>(from + i);
    memcpy(static_cast<void*>(elements + i), &raw, sizeof(raw));
  }
}

/// The same as float.
template <int kWidth, class T>
BOXCAR_DEVICE void load_vector(const T* from, float (&values)[kWidth]) {
  T elements[kWidth];
  load_elements(from, elements);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) values[i] = static_cast<float>(elements[i]);
}

/// Writes kWidth elements, of up to 16 bytes. `to` is a multiple of kWidth elements.
template <int kWidth, class T>
BOXCAR_DEVICE void store_elements(T* to, const T (&elements)[kWidth]) {
  using Raw = typename RawBytes<kWidth* static_cast<int>(sizeof(T))>::Type;
  Raw raw;
  memcpy(&raw, elements, sizeof(raw));
  *reinterpret_cast<Raw*>(to) = raw;
}

/// Rounds kWidth values to T and writes them.
template <int kWidth, class T>
BOXCAR_DEVICE void store_vector(T* to, const float (&values)[kWidth]) {
  T elements[kWidth];
#pragma unroll
  for (int i = 0; i < kWidth; ++i) elements[i] = static_cast<T>(values[i]);
  store_elements(to, elements);
}

/// Calls f(T{}) with T = float or __nv_bfloat16, which stand for f32 and bf16 in kernels.
template <class F>
void with_device_type(const char* op, DType dtype, F&& f) {
  switch (dtype) {
    case DType::kF32:
      f(float{});
      break;
    case DType::kBF16:
      f(__nv_bfloat16{});
      break;
    default:
      fail<ShapeError>("{} works on f32 and bf16, not {}", op, name_of(dtype));
  }
}

/// The widest access that suits all the tensors.
inline int common_width(std::initializer_list<TensorView> views) {
  int width = 8;
  for (const TensorView& view : views) width = std::min(width, view.vector_width());
  return width;
}

/// Calls f(std::integral_constant<int, width>{}); width: 8 (bf16 only), 4, 2 or 1.
template <class T, class F>
void with_vector_width(int width, F&& f) {
  if constexpr (sizeof(T) == 2) {
    if (width == 8) return f(std::integral_constant<int, 8>{});
  }
  switch (width) {
    case 4:
      return f(std::integral_constant<int, 4>{});
    case 2:
      return f(std::integral_constant<int, 2>{});
    default:
      return f(std::integral_constant<int, 1>{});
  }
}

}  // namespace boxcar::kernels::cuda
