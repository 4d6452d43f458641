// What the CPU's own convolutions do to their sums before these are stored, and where that is.
#pragma once

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/kernels/common/rows.h"
#include "boxcar/kernels/norm_act/norm_act.h"

namespace boxcar::kernels::cpu {

/// Whether a destination's range begins and ends at multiples of 16 channels, which suit every instruction set.
inline bool begins_at_vectors(const Destination& d) { return d.of.first % 16 == 0 && d.of.count % 16 == 0; }

/// act(sums + bias) + residual. Ranges of channels begin and end at multiples of 16.
struct ConvEpilogue {
  Destinations to;
  const float* bias = nullptr;
  ActKind act = ActKind::kIdentity;
  const TensorView* residual = nullptr;

  /// All channels to one tensor, and nothing else.
  static ConvEpilogue store(const TensorView& y) { return {{{{0, y.c}, y}}}; }
};

}  // namespace boxcar::kernels::cpu
