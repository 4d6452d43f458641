// Whether vector code may use AVX512_BF16.
#pragma once

namespace boxcar::kernels {

/// Whether the CPU has AVX512_BF16 and no limit forbids it (limit_instruction_set()), which sets it to false. For
/// vector code, which asks often; who chooses a type asks cpu_has_bf16().
#ifdef __x86_64__
inline bool uses_bf16_instructions = __builtin_cpu_supports("avx512bf16");
#else
inline bool uses_bf16_instructions = false;
#endif

}  // namespace boxcar::kernels
