#include "boxcar/kernels/common/bf16_speed.h"

#include <algorithm>
#include <chrono>

#include "boxcar/kernels/common/instruction_set.h"

namespace boxcar::kernels {
namespace {

#ifdef __x86_64__

using Clock = std::chrono::steady_clock;

// Seconds for 6000 times `INSTRUCTION a, a, sum`, 15 sums in turn that need not wait for each other. Assembly, as a
// compiler would leave it out or keep the sums in memory.
#define BOXCAR_SECONDS_OF(INSTRUCTION)                                                                            \
  [] {                                                                                                            \
    const Clock::time_point start = Clock::now();                                                                 \
    int rounds = 400;                                                                                             \
    asm volatile(                                                                                                 \
        ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n vpxord %%zmm\\i, %%zmm\\i, %%zmm\\i\n .endr\n"           \
        "1:\n .irp i, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n " INSTRUCTION                                         \
        " %%zmm0, %%zmm0, %%zmm\\i\n .endr\n"                                                                     \
        "dec %0\n jnz 1b\n vzeroupper"                                                                            \
        : "+r"(rounds)                                                                                            \
        :                                                                                                         \
        : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", \
          "xmm12", "xmm13", "xmm14", "xmm15");                                                                    \
    return std::chrono::duration<double>(Clock::now() - start).count();                                           \
  }

// Of a few runs, as others may have the core for a while.
template <class Run>
double best_of(Run&& run) {
  double best = run();
  for (int i = 0; i < 8; ++i) best = std::min(best, run());
  return best;
}

// An instruction of bf16 does two products where one of f32 does one.
bool dot_product_is_faster() {
  return best_of(BOXCAR_SECONDS_OF("vdpbf16ps")) < 2 * best_of(BOXCAR_SECONDS_OF("vfmadd231ps"));
}

#else

bool dot_product_is_faster() { return false; }

#endif

}  // namespace

bool cpu_multiplies_bf16_faster() {
  static const bool faster = cpu_has_bf16() && (cpu_has_amx() || dot_product_is_faster());
  return faster;
}

}  // namespace boxcar::kernels
