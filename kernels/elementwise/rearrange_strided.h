// The arguments of rearrange.h, once checked, as strided memory: for both backends.
#pragma once

#include "boxcar/kernels/elementwise/rearrange.h"
#include "boxcar/kernels/elementwise/strided.h"

namespace boxcar::kernels {

/// The elements of `of` that a slice covers.
inline Strided sliced(const SliceArgs& args) {
  Strided s = strided(args.of);
  for (int axis = 0; axis < 4; ++axis) s.data += args.begin[axis] * s.stride[axis];
  s.size = sizes_of(args.part.shape());
  return s;
}

/// `from` with its axes in the order of `to`.
inline Strided turned(const PermuteArgs& args) {
  const Strided from = strided(args.from);
  Strided s{from.data};
  for (int i = 0; i < 4; ++i) {
    s.size[i] = from.size[args.axes[i]];
    s.stride[i] = from.stride[args.axes[i]];
  }
  return s;
}

}  // namespace boxcar::kernels
