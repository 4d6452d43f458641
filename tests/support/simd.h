// Vector code is chosen when the program runs: tests run every choice this machine has.
#pragma once

// Before any header of Highway.
#include "boxcar/kernels/common/simd_targets.h"

#include <gtest/gtest.h>

#include <hwy/targets.h>

namespace boxcar::test {

/// Calls f with each instruction set of this machine chosen in turn.
template <class F>
void on_every_target(F&& f) {
  for (std::int64_t rest = hwy::SupportedTargets() & HWY_TARGETS; rest != 0; rest &= rest - 1) {
    const std::int64_t target = rest & -rest;
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target | HWY_STATIC_TARGET);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    f();
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
}

/// Whether the target chosen multiplies and adds in one rounding.
inline bool target_is_fused() {
  const std::int64_t targets = hwy::SupportedTargets();
  return (targets & -targets) < HWY_SSE4;  // a smaller bit is a newer instruction set
}

}  // namespace boxcar::test
