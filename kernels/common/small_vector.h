// A few items in place: argument lists of ops, which are copied to kernels by value.
#pragma once

#include <initializer_list>

#include "boxcar/kernels/common/host_device.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::kernels {

template <class T, int kCapacity>
class SmallVector {
 public:
  SmallVector() = default;
  SmallVector(std::initializer_list<T> items) {
    for (const T& item : items) push_back(item);
  }

  void push_back(const T& item) {
    if (size_ == kCapacity) fail<ShapeError>("more than {} items in a list that holds no more", kCapacity);
    items_[size_++] = item;
  }
  void clear() { size_ = 0; }
  BOXCAR_HD int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  static constexpr int capacity() { return kCapacity; }
  BOXCAR_HD T& operator[](int i) { return items_[i]; }
  BOXCAR_HD const T& operator[](int i) const { return items_[i]; }
  const T* begin() const { return items_; }
  const T* end() const { return items_ + size_; }

 private:
  T items_[kCapacity] = {};
  int size_ = 0;
};

}  // namespace boxcar::kernels
