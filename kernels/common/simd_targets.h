// Which instruction sets the vector kernels are compiled for: on x86 AVX-512, AVX2, SSE4 and what every machine has.
// Include before any header of Highway.
#pragma once

#include <hwy/detect_targets.h>

#ifndef HWY_AVX3_ZEN4  // older releases do not know it
#define HWY_AVX3_ZEN4 0
#endif
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL | HWY_AVX3_ZEN4)
