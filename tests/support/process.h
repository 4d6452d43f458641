// Another program, started without a shell.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace boxcar::test {

struct Finished {
  int status = 0;      // exit status; -1 if it was killed
  std::string output;  // what it printed, both streams
};

/// Runs the program to its end, or kills it (SIGKILL) after `kill_after`; zero: never.
Finished run_program(const std::vector<std::string>& words, const std::filesystem::path& folder,
                     std::chrono::milliseconds kill_after = {});

}  // namespace boxcar::test
