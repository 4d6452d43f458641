// Ops that only move f32 elements: permutations, slices and rows picked by number.
#pragma once

#include <array>

#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// Axis i of `to` is axis axes[i] of `from` (0..3 = n, h, w, c). Throws ShapeError if axes is no permutation or the
/// sizes do not fit.
struct PermuteArgs {
  TensorView from{}, to{};
  std::array<int, 4> axes{0, 1, 2, 3};
};
void permute(Stream& stream, const PermuteArgs& args);

/// The part of `of` that begins at `begin` and has the size of `part`: copied from it, or into it, leaving the rest
/// of it as it was. Throws ShapeError if it reaches beyond an end.
struct SliceArgs {
  TensorView of{}, part{};
  std::array<int, 4> begin{};
};
void slice_out(Stream& stream, const SliceArgs& args);
void slice_in(Stream& stream, const SliceArgs& args);

/// y[n,h,k,:] = x[n,h,rows[n,h,k,0],:]. rows [n,h,K,1] i32 packed, 0..W-1. Throws ShapeError for shapes that do not fit
/// and, on the CPU, for a row out of range; on CUDA, where the host does not see the rows, y is NaN there.
struct GatherArgs {
  TensorView x{}, rows{}, y{};
};
void gather(Stream& stream, const GatherArgs& args);

/// dx = 0, then dx[n,h,rows[n,h,k,0],:] += dy[n,h,k,:] in the order of k. Rows out of range: as above, but on CUDA they
/// add nothing.
struct GatherBackwardArgs {
  TensorView rows{}, dy{}, dx{};
};
void gather_backward(Stream& stream, const GatherBackwardArgs& args);

}  // namespace boxcar::kernels
