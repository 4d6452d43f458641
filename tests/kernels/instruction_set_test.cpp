#include "boxcar/kernels/common/instruction_set.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdlib>
#include <oneapi/dnnl/dnnl.hpp>

#include "boxcar/runtime/base/error.h"

namespace boxcar::kernels {
namespace {

// A limit holds for the whole process, so each case has one of its own: a death test that ends well.
class InstructionSetTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

[[noreturn]] void end_with(bool good) { std::exit(good ? 0 : 1); }

bool targets_are_at_most(std::int64_t newest) { return (hwy::SupportedTargets() & (newest - 1)) == 0; }

TEST_F(InstructionSetTest, LimitsVectorKernelsAndOneDnn) {
  EXPECT_EXIT(
      {
        limit_instruction_set("avx2");
        const bool onednn =
            (static_cast<int>(dnnl::get_effective_cpu_isa()) & ~static_cast<int>(dnnl::cpu_isa::avx2_vnni)) == 0;
        end_with(onednn && targets_are_at_most(HWY_AVX2) && !cpu_instruction_set().starts_with("avx512"));
      },
      testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        limit_instruction_set("x86-64");
        const bool onednn = dnnl::get_effective_cpu_isa() == dnnl::cpu_isa::sse41;
        end_with(onednn && targets_are_at_most(HWY_SSE4) && cpu_instruction_set() == "x86-64");
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(InstructionSetTest, TakesTheSameLimitTwice) {
  EXPECT_EXIT(
      {
        limit_instruction_set("x86-64");
        end_with(cpu_instruction_set() == "x86-64" && (limit_instruction_set("x86-64"), true));
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(InstructionSetTest, RefusesALimitThatComesTooLate) {
  if (cpu_instruction_set() == "x86-64") GTEST_SKIP() << "this CPU has nothing to take away";
  EXPECT_THROW(limit_instruction_set("x86-64"), DeviceError);
}

TEST_F(InstructionSetTest, RefusesUnknownNames) {
  for (const char* name : {"", "AVX2", "avx3", "avx2 "})
    EXPECT_THROW(limit_instruction_set(name), ArgumentError) << name;
}

}  // namespace
}  // namespace boxcar::kernels
