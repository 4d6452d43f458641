// Which instructions the kernels on the CPU use: all that it has, or fewer where a limit was set.
#pragma once

#include <string>
#include <string_view>

namespace boxcar::kernels {

/// "avx512_bf16", "avx512", "avx2" or "x86-64": the best that kernels and oneDNN may use. It decides the last bits of
/// results, together with the number of threads.
std::string cpu_instruction_set();

/// Whether that is bf16 arithmetic, "avx512_bf16"; whether it is worth it says cpu_multiplies_bf16_faster().
bool cpu_has_bf16();

/// Whether oneDNN may use AMX, which multiplies bf16 by tiles.
bool cpu_has_amx();

/// Keeps the vector kernels and oneDNN of this process to `name` (one of the names above) and what came before it.
/// Once, before the first op and before cpu_instruction_set(). A limit above what the CPU has changes nothing.
/// Throws ArgumentError for an unknown name, DeviceError if oneDNN was used before or was built without limits.
void limit_instruction_set(std::string_view name);

}  // namespace boxcar::kernels
