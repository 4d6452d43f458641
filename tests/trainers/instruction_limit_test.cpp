// The variable BOXCAR_MAX_ISA of the program's environment.
#include <gtest/gtest.h>

#include <string>

#include "support/folder.h"
#include "support/process.h"

namespace boxcar {
namespace {

test::Finished checks_with(const std::string& limit) {
  const test::Folder folder;
  return test::run_program({"/usr/bin/env", "BOXCAR_MAX_ISA=" + limit, BOXCAR_BINARY, "checks"}, folder.path());
}

TEST(InstructionLimit, TheProgramKeepsToIt) {
  const test::Finished limited = checks_with("x86-64");
  EXPECT_EQ(limited.status, 0);
  EXPECT_NE(limited.output.find("threads, x86-64,"), std::string::npos) << limited.output;
}

TEST(InstructionLimit, AnUnknownNameIsRefused) {
  const test::Finished refused = checks_with("avx3");
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.output.find("the environment's BOXCAR_MAX_ISA: 'avx3' is no instruction set that boxcar knows; it "
                                "may be avx512_bf16, avx512, avx2 or x86-64"),
            std::string::npos)
      << refused.output;
}

}  // namespace
}  // namespace boxcar
