#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "boxcar/runtime/memory/keep_freed.h"
#include "boxcar/trainers/cli/program.h"

namespace {

// Compute threads must sleep while they wait long: the loader's threads need the cores. But waking them takes as long
// as many a small op, so they spin for a fraction of a millisecond first (a fifth of a step's time at 320 pixels).
// OpenMP reads these settings when the program is loaded, hence the second start; where that fails the run is slower
// and no different.
void spin_briefly_while_waiting(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY")) return;
  std::error_code unknown;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", unknown);
  if (unknown) return;
  setenv("OMP_WAIT_POLICY", "PASSIVE", 1);
  setenv("GOMP_SPINCOUNT", "10000", 0);
  execv(program.c_str(), argv);
}

}  // namespace

int main(int argc, char** argv) {
  spin_briefly_while_waiting(argv);
  boxcar::keep_freed_memory();
  return boxcar::Program().run(argc, argv);
}
