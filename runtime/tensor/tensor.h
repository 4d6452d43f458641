// Four-dimensional tensors in NHWC order, the one layout of activations.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "boxcar/runtime/base/dtype.h"
#include "boxcar/runtime/device/stream.h"

namespace boxcar {

/// N images of H x W pixels with C channels. A table is [N,1,rows,C], a vector [1,1,1,C].
/// Convolution weights are O,kh,kw,I/groups; depthwise ones 1,kh,kw,C.
struct Shape {
  int n = 1, h = 1, w = 1, c = 1;
  std::int64_t pixels() const { return std::int64_t{n} * h * w; }
  std::int64_t count() const { return pixels() * c; }
  bool operator==(const Shape&) const = default;
  /// "[2,5,7,3]" for messages.
  std::string str() const;
};

/// What an op reads or writes: memory owned by somebody else. Channel stride is 1.
struct TensorView {
  void* data = nullptr;
  DType dtype = DType::kF32;
  int n = 0, h = 0, w = 0, c = 0;
  std::int64_t ld = 0;  // elements from pixel to pixel, >= c

  Shape shape() const { return {n, h, w, c}; }
  std::int64_t pixels() const { return std::int64_t{n} * h * w; }
  std::int64_t count() const { return pixels() * c; }
  bool packed() const { return ld == c; }
  /// Channels first..first+count-1 of every pixel. Throws ShapeError if out of range.
  TensorView channels(int first, int count) const;
  /// Elements a 16-byte (8 of bf16, 4 of f32) or narrower vector access may take, from
  /// address, ld and c: 8, 4, 2 or 1.
  int vector_width() const;

  template <class T = float>
  T* as() const {
    return static_cast<T*>(data);
  }
};

/// A cheap shared view of device memory; a deep copy is spelled clone().
class Tensor {
 public:
  Tensor() = default;
  /// Contents undefined.
  static Tensor empty(Stream& stream, Shape shape, DType dtype = DType::kF32);
  static Tensor zeros(Stream& stream, Shape shape, DType dtype = DType::kF32);
  /// From host values in NHWC order, whose number must be shape.count(). f32.
  static Tensor from(Stream& stream, Shape shape, const std::vector<float>& values);
  /// A view of memory that `owner` keeps alive.
  static Tensor wrap(TensorView view, std::shared_ptr<void> owner);

  bool defined() const { return view_.data != nullptr; }
  explicit operator bool() const { return defined(); }
  const TensorView& view() const { return view_; }
  operator TensorView() const { return view_; }  // NOLINT: ops take views

  Shape shape() const { return view_.shape(); }
  DType dtype() const { return view_.dtype; }
  std::int64_t count() const { return view_.count(); }
  bool packed() const { return view_.packed(); }
  template <class T = float>
  T* as() const {
    return view_.as<T>();
  }

  /// Shares memory with this tensor.
  Tensor channels(int first, int count) const;
  /// The same elements under another shape; packed tensors of equal count only.
  Tensor reshaped(Shape shape) const;
  /// A packed copy.
  Tensor clone(Stream& stream) const;
  /// Host copy in NHWC order, converted to float (f32, bf16, u8, i32); synchronizes.
  std::vector<float> to_host(Stream& stream) const;
  /// Drops the reference, and the memory with the last one.
  void reset() { *this = Tensor(); }

 private:
  TensorView view_;
  std::shared_ptr<void> owner_;
};

}  // namespace boxcar
