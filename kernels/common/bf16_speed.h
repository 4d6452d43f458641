// Whether bf16 arithmetic is worth it on this CPU.
#pragma once

namespace boxcar::kernels {

/// Whether this CPU multiplies bf16 faster than f32: it has AMX, or its AVX512_BF16 instruction does more products than
/// f32's multiply-add. Zen 4 and 5 do twice as many, Intel's cores with AMX out of reach (as on many virtual machines)
/// half as many. Measured by the first call, in a fraction of a millisecond; false without the instruction and under a
/// limit that takes it away (limit_instruction_set()).
bool cpu_multiplies_bf16_faster();

}  // namespace boxcar::kernels
