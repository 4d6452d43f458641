// Activations of vectors; the others have scalar code alone (activation_math.h). Include it as simd-inl.h.
#if defined(BOXCAR_KERNELS_ACTIVATION_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BOXCAR_KERNELS_ACTIVATION_ACTIVATION_INL_H_
#undef BOXCAR_KERNELS_ACTIVATION_ACTIVATION_INL_H_
#else
#define BOXCAR_KERNELS_ACTIVATION_ACTIVATION_INL_H_
#endif

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/kernels/common/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {

/// act(x) for SiLU, ReLU and identity.
template <ActKind kAct, class D>
HWY_INLINE hn::Vec<D> activated(D d, hn::Vec<D> x) {
  static_assert(kAct == ActKind::kSilu || kAct == ActKind::kRelu || kAct == ActKind::kIdentity);
  if constexpr (kAct == ActKind::kSilu) return silu(d, x);
  if constexpr (kAct == ActKind::kRelu) return hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), x);
  return x;
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();
#endif
