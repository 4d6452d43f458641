// What the forward and backward kernels of norm_act share; for .cu files only.
#pragma once

#include "boxcar/kernels/common/device_vector.h"
#include "boxcar/kernels/norm_act/norm_act.h"
#include "boxcar/kernels/norm_act/norm_act_math.h"

namespace boxcar::kernels::cuda {

/// A channel range of a result and the tensor that holds it.
template <class T>
struct Part {
  Rows<T> rows;
  int first, end;

  BOXCAR_DEVICE bool holds(int channel) const { return channel >= first && channel < end; }
  BOXCAR_DEVICE T* at(std::int64_t row, int channel) const { return rows.row(row) + (channel - first); }
};

template <class T, int kCapacity>
struct Parts {
  Part<T> part[kCapacity];
  int count;
};

template <class T>
Parts<const T, 4> parts_of(const GradPieces& pieces) {
  Parts<const T, 4> parts{};
  for (const GradPiece& p : pieces) {
    parts.part[parts.count++] = {rows_of<const T>(p.from), p.of.first, p.of.first + p.of.count};
  }
  return parts;
}

template <class T>
Parts<T, 3> parts_of(const Destinations& destinations) {
  Parts<T, 3> parts{};
  for (const Destination& d : destinations) {
    parts.part[parts.count++] = {rows_of<T>(d.to), d.of.first, d.of.first + d.of.count};
  }
  return parts;
}

/// The widest access that suits a part: its range must start at a vector of the whole, too.
inline int part_width(Range of, const TensorView& view) {
  int width = view.vector_width();
  while (of.first % width != 0) width /= 2;
  return width;
}

inline int pieces_width(int width, const GradPieces& pieces) {
  for (const GradPiece& p : pieces) width = std::min(width, part_width(p.of, p.from));
  return width;
}

/// The sum of the gradient pieces at one vector of channels, in their order.
template <int kWidth, class T>
BOXCAR_DEVICE void load_gradient(const Parts<const T, 4>& from, std::int64_t row, int channel, float (&dy)[kWidth]) {
#pragma unroll
  for (int i = 0; i < kWidth; ++i) dy[i] = 0;
#pragma unroll
  for (int p = 0; p < 4; ++p) {
    if (p >= from.count || !from.part[p].holds(channel)) continue;
    float piece[kWidth];
    load_vector(from.part[p].at(row, channel), piece);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) dy[i] += piece[i];
  }
}

/// Where the kernels find what normalises.
struct NormSource {
  const float *mean, *rstd;  // rstd: 1 / sqrt(var + eps), or null: from var
  const float* var;
  const float *gamma, *beta;
  float eps;
};

template <int kWidth>
BOXCAR_DEVICE void load_norms(const NormSource& source, int channel, ChannelNorm (&norms)[kWidth]) {
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    const int c = channel + i;
    const float rstd = source.rstd ? source.rstd[c] : 1.0f / sqrtf(source.var[c] + source.eps);
    norms[i] = {source.mean[c], rstd, source.gamma[c], source.beta[c]};
  }
}

}  // namespace boxcar::kernels::cuda
