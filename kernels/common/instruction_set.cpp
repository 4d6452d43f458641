#include "boxcar/kernels/common/instruction_set.h"

#include <hwy/targets.h>

#include <algorithm>
#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>

#include "boxcar/kernels/common/bf16_instructions.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::kernels {
namespace {

struct InstructionSet {
  std::string_view name;
  dnnl::cpu_isa onednn;
  std::int64_t newer_targets;  // of Highway, where a smaller bit is a newer set
};

// Best first.
constexpr InstructionSet kSets[] = {
    {"avx512_bf16", dnnl::cpu_isa::avx512_core_bf16, 0},
    {"avx512", dnnl::cpu_isa::avx512_core, 0},
    {"avx2", dnnl::cpu_isa::avx2, HWY_AVX2 - 1},
    {"x86-64", dnnl::cpu_isa::sse41, HWY_SSE4 - 1},
};

// oneDNN's numbers are sets of bits: a newer set holds those of the older ones.
const InstructionSet* effective_set() {
  const int bits = static_cast<int>(dnnl::get_effective_cpu_isa());
  const auto* last = std::end(kSets) - 1;
  return std::find_if(std::begin(kSets), last, [bits](const InstructionSet& set) {
    const int wanted = static_cast<int>(set.onednn);
    return (bits & wanted) == wanted;
  });
}

}  // namespace

std::string cpu_instruction_set() { return std::string(effective_set()->name); }

bool cpu_has_bf16() { return effective_set() == std::begin(kSets); }

bool cpu_has_amx() {
  const int bits = static_cast<int>(dnnl::get_effective_cpu_isa());
  const int amx = static_cast<int>(dnnl::cpu_isa::avx512_core_amx);
  return (bits & amx) == amx;
}

void limit_instruction_set(std::string_view name) {
  const auto* limit = std::ranges::find(kSets, name, &InstructionSet::name);
  if (limit == std::end(kSets)) {
    fail<ArgumentError>("'{}' is no instruction set that boxcar knows; it may be avx512_bf16, avx512, avx2 or x86-64",
                        name);
  }
  // The second call for the same limit is refused by oneDNN, and harmless.
  if (dnnl::set_max_cpu_isa(limit->onednn) != dnnl::status::success && effective_set() < limit) {
    fail<DeviceError>("oneDNN cannot be limited to {}: it was used before, or was built without limits", name);
  }
  hwy::DisableTargets(limit->newer_targets);
  if (limit != std::begin(kSets)) uses_bf16_instructions = false;
}

}  // namespace boxcar::kernels
