// Activations as the fused kernels call them; for .cu files only.
#pragma once

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/kernels/common/launch.h"

namespace boxcar::kernels::cuda {

/// SiLU with the fast exponential (2 ulp and the argument's error) and division: the accurate
/// ones would make a pass that should wait for memory wait for arithmetic.
struct FastSilu {
  static constexpr int kRowsAtOnce = 2;  // of a loop over rows that calls it
  BOXCAR_DEVICE static float sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }
  BOXCAR_DEVICE float value(float x) const { return x * sigmoid(x); }
  BOXCAR_DEVICE float grad(float x) const {
    const float s = sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
  }
};

struct AnyActivation {
  static constexpr int kRowsAtOnce = 1;
  Act act;
  BOXCAR_DEVICE float value(float x) const { return activate(act, x); }
  BOXCAR_DEVICE float grad(float x) const { return activate_grad(act, x); }
};

/// Calls f(FastSilu{}) or f(AnyActivation{act}).
template <class F>
void with_activation(Act act, F&& f) {
  if (act.kind == ActKind::kSilu) return f(FastSilu{});
  f(AnyActivation{act});
}

}  // namespace boxcar::kernels::cuda
